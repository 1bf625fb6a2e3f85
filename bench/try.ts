import { idleBareAedesKb } from "./scenarios.ts";
for (const n of [6000, 6000, 6000, 3000,3000]) {
console.time("t");
console.log(n, await idleBareAedesKb({ idleConnections: n } as never));
console.timeEnd("t");}
