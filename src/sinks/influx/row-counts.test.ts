import { describe, expect, test } from "vitest";
import { countedByFlux, countedByInfluxQl } from "./row-counts.ts";

describe("an answer in InfluxQL", () => {
  test("counts by the commonest field", () => {
    const columns = ["time", "count_battery", "count_power"];
    expect(countedByInfluxQl([{ name: "device_status", columns, values: [[0, 3, 7]] }])).toBe(7);
  });
  test.each([undefined, [], [{}], [{ values: [] }], [{ values: [[0]] }]])("%j counts nothing", (series) => {
    expect(countedByInfluxQl(series)).toBe(0);
  });
});

describe("an answer in annotated CSV", () => {
  const head = ",result,table,_measurement,_field,device,_time";
  test("counts each device and measurement by its commonest field", () => {
    const rows = [
      ",_result,0,device_status,power,AAA,4",
      ",_result,1,device_status,battery,AAA,9",
      ",_result,2,device_status,power,BBB,1",
      ",_result,3,device_location,cell,AAA,2",
    ];
    expect(countedByFlux([head, ...rows, "", ""].join("\r\n"))).toBe(9 + 1 + 2);
  });
  test("comes in several tables with headers of their own", () => {
    const other = ",result,table,_time,_measurement,_field,device";
    const text = `#datatype,string\r\n${head}\r\n,_result,0,m,f,A,4\r\n\r\n${other}\r\n,_result,1,5,m,f,B\r\n`;
    expect(countedByFlux(text)).toBe(9);
  });
  test("may be empty", () => {
    expect(countedByFlux("\r\n")).toBe(0);
  });
});
