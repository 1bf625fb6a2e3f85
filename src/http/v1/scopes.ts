/** The scopes of the routes beside this file, by operation id. What opens a person's records is asked for by name alone. */
import { allOf, type Needs, oneOf } from "../scopes.ts";

export const ROUTE_SCOPES = {
  bindDevice: oneOf("bind"),
  unbindDevice: oneOf("bind"),
  issueToken: oneOf("bind"),
  registerChildren: oneOf("bind"),
  registerChild: oneOf("bind"),
  removeChild: oneOf("bind"),
  listChildren: oneOf("bind", "read"),

  recordConsent: oneOf("consent"),
  withdrawConsent: oneOf("consent"),
  // On the page behind it all of this can be done.
  issueLink: allOf("consent", "read", "export", "erase"),

  getConsents: oneOf("read"),
  getConsentReceipt: oneOf("read"),
  getDisclosures: oneOf("read"),
  exportSubject: oneOf("export"),

  requestErasure: oneOf("erase"),
  listErasures: oneOf("erase", "operate"),
  getErasure: oneOf("erase", "read", "operate"),
  getReceiptKey: oneOf("read", "erase", "operate"),

  publishPolicy: oneOf("policy"),
  listPolicies: oneOf("policy", "consent", "read", "operate"),
  getPolicy: oneOf("policy", "consent", "read", "operate"),

  putService: oneOf("services"),
  removeService: oneOf("services"),
  issueServiceToken: oneOf("services"),
  revokeServiceToken: oneOf("services"),
  listServices: oneOf("services", "operate"),
  getService: oneOf("services", "operate"),

  listDisclosures: oneOf("read", "operate"),
  listAudit: oneOf("operate"),
  getRefusals: oneOf("read", "operate"),
  // Anyone who tries one message after the other learns what a person consented to.
  checkMessage: oneOf("read"),
  reloadConfiguration: oneOf("operate"),
} as const satisfies Readonly<Record<string, Needs>>;
