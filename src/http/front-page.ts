/** `GET /`: where a person who opens the address in a browser finds what is here. Links alone, no data, no script. */
import type { Scope } from "./contract.ts";
import { refuseOtherMethods } from "./methods.ts";
import { guardAnswers } from "./page-headers.ts";

/** What is served beside the routes that are always there. */
export interface Served {
  readonly centre: boolean;
  readonly metrics: boolean;
}

/** In a scope of its own: its answers carry the headers of a page. */
export function frontPage(scope: Scope, served: Served): void {
  const page = pageOf(served);
  guardAnswers(scope);
  const finish = refuseOtherMethods(scope);
  scope.get("/", { schema: { hide: true } }, async (_request, reply) =>
    reply.type("text/html; charset=utf-8").header("cache-control", "no-cache").send(page),
  );
  finish();
}

function pageOf({ centre, metrics }: Served): string {
  const links: [address: string, says: string][] = [
    ["/docs", "the HTTP interface, route by route (OpenAPI)"],
    ["/docs/asyncapi.json", "what services get over MQTT (AsyncAPI)"],
    ...(centre ? [["/centre/", "the privacy centre, for those who have a link to it"] as [string, string]] : []),
    ["/livez", "is the process alive"],
    ["/readyz", "can the gateway take messages"],
    ...(metrics ? [["/metrics", "metrics for Prometheus"] as [string, string]] : []),
  ];
  const items = links.map(([address, says]) => `<li><a href="${address}">${address}</a> ${says}</li>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Consentry</title>
</head>
<body>
<main>
<h1>Consentry</h1>
<p>A telemetry gateway that stores nothing without consent.</p>
<ul>
${items.join("\n")}
</ul>
</main>
</body>
</html>
`;
}
