/** Everything below `/centre`: the page, the way in and out, and what can be done inside. */
import type { Callers } from "../access.ts";
import { auditActs } from "../audited.ts";
import { describeRoutes, type Scope } from "../contract.ts";
import { refuseOtherMethods } from "../methods.ts";
import { pageFiles } from "../page-files.ts";
import { guardAnswers } from "../page-headers.ts";
import { requirePage } from "../page-request.ts";
import type { CentrePort, HttpPorts } from "../ports.ts";
import { centreApi } from "./api.ts";
import { CENTRE_PROBLEMS } from "./entered.ts";
import { exportRoute } from "./export-route.ts";
import { liveRoutes } from "./live.ts";
import { placesRoute } from "./places-route.ts";
import { readingsRoute } from "./readings-route.ts";
import { CENTRE_PAGE, CENTRE_PATH, requireSession, sessionOf } from "./session.ts";
import { sessionRoutes } from "./session-routes.ts";
import { shareOfAll } from "./share.ts";
import { stayRoute } from "./stay.ts";

/** `maxUnderWay`: how many requests may be worked on at a time. */
export async function centreRoutes(
  scope: Scope,
  ports: HttpPorts,
  centre: CentrePort,
  callers: Pick<Callers, "endWith">,
  maxUnderWay: number,
): Promise<void> {
  guardAnswers(scope);
  shareOfAll(scope, maxUnderWay);
  await scope.register(async (own) => {
    const finish = refuseOtherMethods(own);
    pageFiles(own, CENTRE_PATH, "privacy-centre");
    finish();
  });
  await scope.register(async (own) => {
    requirePage(own, CENTRE_PAGE);
    describeRoutes(own, { problems: ["not-from-the-page", "centre-busy", "unavailable", "timeout", "internal"] });
    const finish = refuseOtherMethods(own);
    sessionRoutes(own, ports, centre);
    finish();
  });
  await scope.register(async (own) => {
    requireSession(own, ports, centre, callers);
    requirePage(own, CENTRE_PAGE);
    auditActs(
      own,
      ports,
      (request) => sessionOf(request).by,
      (request) => sessionOf(request).tag,
    );
    describeRoutes(own, { security: "centre", problems: CENTRE_PROBLEMS });
    const finish = refuseOtherMethods(own);
    centreApi(own, ports);
    stayRoute(own, ports, centre);
    liveRoutes(own, ports, centre);
    readingsRoute(own, ports, centre);
    placesRoute(own, ports, centre);
    exportRoute(own, ports);
    finish();
  });
}
