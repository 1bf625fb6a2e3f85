/** The attacks, in the order of their names. */
import { refusalByAcknowledgement } from "./acknowledgements.ts";
import type { Attack } from "./attack.ts";
import { aloneInCell, householdAsCrowd, neighbourAtHome } from "./crowds.ts";
import { namesOverEpochs } from "./epochs.ts";
import { noticesOfErasure } from "./erasures.ts";
import { homesByFamilies } from "./families.ts";
import { identifiersPassed } from "./identifiers.ts";
import { rowsAndScenes, sceneAndNetwork } from "./joins.ts";
import { placeOfScene } from "./places.ts";
import { countersOverEpochs, idsOutOfRowTimes } from "./row-times.ts";
import { placeWhenTold } from "./walks.ts";

export const ATTACKS: readonly Attack[] = [
  idsOutOfRowTimes,
  countersOverEpochs,
  namesOverEpochs,
  sceneAndNetwork,
  placeOfScene,
  noticesOfErasure,
  aloneInCell,
  neighbourAtHome,
  householdAsCrowd,
  identifiersPassed,
  placeWhenTold,
  refusalByAcknowledgement,
  homesByFamilies,
  rowsAndScenes,
];
