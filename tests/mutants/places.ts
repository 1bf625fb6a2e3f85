/**
 * The places on which a promise hangs, each with the smallest change that breaks it and the tests that must notice.
 * `npm run mutants` makes one change at a time and expects red; `mutants.test.ts` keeps the table true to the source.
 */
export interface Place {
  /** What stops being true. */
  readonly breaks: string;
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly from: string;
  readonly to: string;
  /** At least one of them fails under the change. */
  readonly tests: readonly string[];
}

const DECIDE = { file: "src/consent/decision/decide.ts", tests: ["src/consent/decision/decide.test.ts"] };
const LEASES = { file: "src/consent/fence/leases.ts", tests: ["tests/integration/consent-leases.test.ts"] };
const PIPELINE = { file: "src/pipeline/pipeline.ts", tests: ["src/pipeline/pipeline.test.ts"] };
const TRACE = { file: "src/observe/traces/trace.ts", tests: ["src/observe/traces/traces.test.ts"] };
const ENVELOPE = { file: "src/queue/envelope.ts", tests: ["src/queue/envelope.test.ts"] };
const DEIDENTIFY = { file: "src/deidentify/deidentify.ts", tests: ["src/deidentify/deidentify.test.ts"] };
const LOCATION = { file: "src/deidentify/location.ts", tests: ["src/deidentify/location.test.ts"] };
const KEYRING = { file: "src/deidentify/keyring.ts", tests: ["src/deidentify/keyring.test.ts"] };
const TOPICS = { file: "src/ingress/mqtt/topics.ts", tests: ["src/ingress/mqtt/topics.test.ts"] };
const RECEIPT = { file: "src/rights/receipts/signer.ts", tests: ["src/rights/receipts/signer.test.ts"] };
const AUDIT_CHAIN = { file: "src/rights/audit/chain.ts", tests: ["src/rights/audit/chain.test.ts"] };
const TOPICS_OUT = {
  file: "src/sinks/services/purpose-topics.ts",
  tests: ["src/sinks/services/purpose-topics.test.ts"],
};

export const PLACES: readonly Place[] = [
  // The consent rule.
  { breaks: "a legal hold freezes every use", ...DECIDE, from: "if (decision.held)", to: "if (false)" },
  {
    breaks: "withdrawn is no",
    ...DECIDE,
    from: 'if (decision.state !== "given") return { refusal: "no-consent" };',
    to: "",
  },
  { breaks: "consent ends by the clock", ...DECIDE, from: "!(decision.expiresAt > nowMs)", to: "false" },
  { breaks: "a minor needs a guardian", ...DECIDE, from: "decision.minor && !decision.guardianVerified", to: "false" },
  {
    breaks: "a minor's data are never analysed",
    ...DECIDE,
    from: "decision.grants & ~PURPOSE_BITS.analytics",
    to: "decision.grants",
  },
  {
    breaks: "consent to an outdated policy suspends the purpose",
    ...DECIDE,
    from: "offered & bitsAbove(floors, decision.policyVersion)",
    to: "offered",
  },
  {
    breaks: "a later consent does not reach back",
    file: "src/consent/decision/check.ts",
    from: "verdict.grants & heldSince(decision.since, admitted)",
    to: "verdict.grants",
    tests: ["src/consent/decision/check.test.ts"],
  },
  // The fence.
  { breaks: "a withdrawal waits for what is being written", ...LEASES, from: "older.size > 0;", to: "false;" },
  {
    breaks: "a write in doubt holds up whom it concerns",
    ...LEASES,
    from: "return member === 1 || known === 0;",
    to: "return false;",
  },
  {
    breaks: "of a lease kept in doubt it is known whom it concerns",
    file: "src/consent/fence/kept-lease.ts",
    from: '"keep", [...concerned]',
    to: '"keep", []',
    tests: ["tests/integration/consent-leases.test.ts"],
  },
  {
    breaks: "what an earlier run may have sent is in doubt",
    file: "src/queue/worker.ts",
    from: "job.stalledCounter > 0 || job.attemptsStarted > 1",
    to: "false",
    tests: ["tests/integration/withdrawal-stale-write.test.ts"],
  },
  {
    breaks: "consent is asked again before anything is written",
    ...PIPELINE,
    from: "passage.refusal = verdict.refusal;",
    to: "passage.refusal = undefined;",
  },
  {
    breaks: "nothing is forwarded after the lease",
    ...PIPELINE,
    from: 'if (lease.over) throw new GatewayError("LEASE_LOST", "before forwarding");',
    to: "",
  },
  {
    breaks: "a lease lasts until the bytes have left",
    ...PIPELINE,
    from: "else if (left === undefined) await lease.release();",
    to: "else if (left !== undefined || left === undefined) await lease.release();",
  },
  {
    breaks: "an answer after the lease leaves the write in doubt",
    ...PIPELINE,
    from: "    if (lease.over) {\n",
    to: "    if (lease.over && false) {\n",
  },
  {
    breaks: "nothing is dead-lettered after the lease",
    ...PIPELINE,
    file: "src/pipeline/into-letters.ts",
    from: 'if (lease.over) throw new GatewayError("LEASE_LOST", "before setting aside");',
    to: "",
  },
  // Told to a collector.
  {
    breaks: "a trace begins at a whole step",
    ...TRACE,
    from: "Math.floor(begin / stepMs) * stepMs",
    to: "begin",
  },
  {
    breaks: "of a fault no more is told than that it was one",
    ...TRACE,
    from: 'error instanceof GatewayError ? error.code : "FAULT"',
    to: "error.message",
  },
  // Sealed at rest.
  {
    breaks: "a seal is good for one purpose",
    ...ENVELOPE,
    from: "`consentry $" + "{purpose} v$" + "{schema} $" + "{keyId}`",
    to: "`consentry v$" + "{schema} $" + "{keyId}`",
  },
  {
    breaks: "every seal has a nonce of its own",
    ...ENVELOPE,
    from: "randomBytes(NONCE_BYTES)",
    to: "Buffer.alloc(NONCE_BYTES)",
  },
  // De-identification.
  {
    breaks: "a scene service gets the family only by consent to it",
    ...DEIDENTIFY,
    from: "      at: floorTo(message.at, this.#options.atStepMs.scene),\n    };\n    if ((mask & MODEL) !== 0 &&",
    to: "      at: floorTo(message.at, this.#options.atStepMs.scene),\n    };\n    if (",
  },
  {
    breaks: "status is stored only by consent to it",
    ...DEIDENTIFY,
    from: "(mask & STATUS) !== 0 && status !== undefined ? this.#status.forAnalytics",
    to: "status !== undefined ? this.#status.forAnalytics",
  },
  {
    breaks: "where a row stands within its step says nothing",
    ...DEIDENTIFY,
    from: "const moved = (within + halfSipHash(key, sub)) % stepMs;",
    to: "const moved = within;",
  },
  {
    breaks: "what is stored is coarser than what a scene is told",
    file: "src/deidentify/status.ts",
    tests: ["src/deidentify/status.test.ts"],
    from: 'typeof value === "number" && told.stored !== undefined ? told.stored(value) : value',
    to: "value",
  },
  {
    breaks: "a weather record has measurements only",
    file: "src/deidentify/status.ts",
    tests: ["src/deidentify/status.test.ts"],
    from: "if (told.weather === undefined) return undefined;",
    to: "if (told.weather === undefined) return sceneValue(told, given);",
  },
  // The vocabulary.
  {
    breaks: "what nothing names is left out",
    file: "src/deidentify/status.ts",
    tests: ["src/deidentify/status.test.ts"],
    from: "if (told === undefined || given === undefined) continue;",
    to: "if (given === undefined) continue;\n      if (told === undefined) {\n        kept ??= {};\n        kept[key] = given;\n        continue;\n      }",
  },
  {
    breaks: "account data refuses the message",
    file: "src/vocabulary/vocabulary.ts",
    tests: ["src/vocabulary/vocabulary.test.ts"],
    from: 'if (kind === "account") return "account-key";\n        dropped(kind',
    to: 'dropped(kind === "account" ? undefined : kind',
  },
  {
    breaks: "what is left out never rests, sealed or not",
    file: "src/ingress/admission/admission.ts",
    tests: ["src/ingress/admission/admission.test.ts"],
    from: "if (inbound.changed) serialise",
    to: "if (false) serialise",
  },
  {
    breaks: "a total is never sealed",
    file: "src/ingress/admission/counters.ts",
    tests: ["src/ingress/admission/counters.test.ts"],
    from: '?.kind === "counter" ? told[name] : message.status[name]',
    to: '?.kind === "counter" ? (told[name] ?? message.status[name]) : message.status[name]',
  },
  {
    breaks: "no difference spans a change of consent",
    file: "src/ingress/admission/counters.ts",
    tests: ["src/ingress/admission/counters.test.ts"],
    from: " && known.revision === revision",
    to: "",
  },
  {
    breaks: "times told to services are coarse",
    ...DEIDENTIFY,
    from: "return atMs - (atMs % stepMs);",
    to: "return atMs - (atMs % stepMs) * 0;",
  },
  {
    breaks: "a cell is coarser where few people live",
    ...LOCATION,
    from: "cellToParent(fine, this.#resolutionFor(fine))",
    to: "fine",
  },
  {
    breaks: "a place never goes back in time",
    ...LOCATION,
    from: "if (at < current.at) return { place, newest: false };",
    to: "",
  },
  {
    breaks: "an address leaves as a large block at most",
    file: "src/deidentify/ip-address.ts",
    from: "Math.min(options.v4PrefixBits, FINEST_V4_PREFIX_BITS)",
    to: "options.v4PrefixBits",
    tests: ["src/deidentify/ip-address.test.ts"],
  },
  {
    breaks: "each purpose has a pseudonym of its own",
    ...KEYRING,
    from: "pseudonym\\0$" + "{purpose}\\0",
    to: "pseudonym\\0",
  },
  { breaks: "pseudonyms change with the epoch", ...KEYRING, from: "\\0$" + "{epoch}`", to: "`" },
  {
    breaks: "a new owner's device has a new pseudonym",
    ...KEYRING,
    from: "known?.wrappedSubjectKey === wrappedSubjectKey",
    to: "known !== undefined",
  },
  {
    breaks: "who is left over does not count with those who are told finely",
    file: "src/places/crowd.ts",
    from: "open.delete(cell);",
    to: "",
    tests: ["src/places/crowd.test.ts"],
  },
  {
    breaks: "another place is told when it held through a whole step",
    file: "src/places/telling.ts",
    from: "const CHANGED = 2;",
    to: "const CHANGED = 1;",
    tests: ["src/places/telling.test.ts"],
  },
  {
    breaks: "a person is shown the area that is stored, and not the one that is noted",
    file: "src/places/showing.ts",
    from: "stored: told.as }",
    to: "stored: told.cell }",
    tests: ["src/places/showing.test.ts"],
  },
  {
    breaks: "consent is asked again right before places are written",
    file: "src/places/writer.ts",
    from: "portion.filter((_, index) => mayBePlaced(verdicts[index]))",
    to: "portion.filter((_, index) => verdicts[index] !== undefined)",
    tests: ["src/places/writer.test.ts"],
  },
  {
    breaks: "network services hear of a new device at its minute, not at the step after its message",
    file: "src/network/due.ts",
    from: "Math.max(begun, epochStart) < lastMinute",
    to: "begun < at",
    tests: ["src/network/due.test.ts"],
  },
  {
    breaks: "network services hear of a change once between two minutes",
    file: "src/network/due.ts",
    from: "|| standing.changedAt >= lastMinute",
    to: "",
    tests: ["src/network/due.test.ts"],
  },
  {
    breaks:
      "consent is asked again right before network services are told, with the state under which each part was admitted",
    file: "src/platform/record-coverage.ts",
    from: "(this.#grantedOf(verdictOf(part)) & this.#rules.parts[part]) !== 0",
    to: "true",
    tests: ["src/network/teller.test.ts"],
  },
  {
    breaks: "a name is noted as told before it is told",
    file: "src/network/teller.ts",
    from: "return covered.filter((_, index) => done[index] === true);",
    to: "return covered.filter((_, index) => done.length > index);",
    tests: ["src/network/teller.test.ts"],
  },
  {
    breaks: "an unknown model is not told",
    file: "src/deidentify/model.ts",
    from: "?.as ?? OTHER_MODEL",
    to: "?.as ?? model",
    tests: ["src/deidentify/model.test.ts"],
  },
  // Who may say and hear what.
  {
    breaks: "a device hears what is for itself",
    ...TOPICS,
    from: "topic.startsWith(`devices/$" + "{device}/commands/`)",
    to: 'topic.startsWith("devices/")',
  },
  {
    breaks: "a service hears its own purposes",
    file: "src/ingress/mqtt/subscriptions.ts",
    from: 'return (kind === "erased" ? session.told : session.purposes).has(purpose);',
    to: "return true;",
    tests: [
      "src/ingress/mqtt/broker.test.ts",
      "src/ingress/mqtt/subscriptions.test.ts",
      "tests/integration/purposes.test.ts",
    ],
  },
  {
    breaks: "a command goes to the device as this subject has it",
    file: "src/ingress/mqtt/device-commands.ts",
    from: "const isOwn = own?.publisher.ref?.subjectTag === device.subjectTag;",
    to: "const isOwn = own !== undefined;",
    tests: ["src/ingress/mqtt/broker.test.ts"],
  },
  {
    breaks: "a device publishes to its own topics",
    file: "src/ingress/mqtt/device-publish.ts",
    from: "topics.get(topic) ?? -1",
    to: "topics.get(topic) ?? 0",
    tests: ["src/ingress/mqtt/broker.test.ts"],
  },
  {
    breaks: "a token opens its own device",
    file: "src/consent/credentials.ts",
    from: "if (expected.length !== actual.length || !timingSafeEqual(expected, actual)) return undefined;",
    to: "",
    tests: ["tests/integration/consent-credentials.test.ts"],
  },
  // What a client of MQTT 5 is told.
  {
    breaks: "a legal hold is told to no one",
    file: "src/ingress/mqtt/v5/reason-codes.ts",
    from: '"legal-hold": SUCCESS,',
    to: '"legal-hold": NOT_AUTHORIZED,',
    tests: ["tests/integration/mqtt5/publishing.test.ts"],
  },
  {
    breaks: "what a person decided is told once a minute",
    file: "src/ingress/mqtt/refusal-reasons.ts",
    from: "take(now) === true ?",
    to: "take(now) !== undefined ?",
    tests: ["src/ingress/mqtt/mqtt5.test.ts"],
  },
  {
    breaks: "what waited for too long is not admitted",
    file: "src/ingress/admission/admission.ts",
    from: "inbound.counted === undefined && inbound.expiresAt < now)",
    to: "inbound.counted === undefined && false)",
    tests: ["src/ingress/mqtt/mqtt5.test.ts"],
  },
  {
    breaks: "no property stands twice",
    file: "src/ingress/mqtt/v5/properties.ts",
    from: "if (seen.has(id)) return TWICE;",
    to: "",
    tests: ["tests/integration/mqtt5/answers.test.ts"],
  },
  // Acknowledged means durable.
  {
    breaks: "what is not durable is not acknowledged",
    file: "src/ingress/mqtt/puback.ts",
    from: "cutOff.add(client);",
    to: "",
    tests: ["src/ingress/mqtt/broker.test.ts", "tests/integration/puback-means-durable.test.ts"],
  },
  {
    breaks: "a batch that failed is not taken for admitted",
    file: "src/ingress/admission/admission.ts",
    from: "if (error !== undefined && (inbound.refusal === undefined || isCovered(inbound)))",
    to: "if (false)",
    tests: ["src/ingress/mqtt/broker.test.ts", "tests/integration/puback-means-durable.test.ts"],
  },
  {
    breaks: "a refusal for a reason of a person takes as long as an acceptance",
    file: "src/ingress/admission/admission.ts",
    from: "if (admitted.length > 0 || batch.some(isCovered))",
    to: "if (admitted.length > 0)",
    tests: ["src/ingress/admission/admission.test.ts"],
  },
  {
    breaks: "metrics without a token tell nothing of a legal hold",
    file: "src/model/outcome.ts",
    from: "BY_CONSENT.has(reason) || reason === HELD ? NOT_PERMITTED : reason",
    to: "reason",
    tests: ["src/observe/metrics.test.ts"],
  },
  {
    breaks: "a PUBLISH with a wildcard is never read as a whole one",
    file: "src/ingress/mqtt/whole-publish.ts",
    from: "code === HASH || code === PLUS",
    to: "false",
    tests: ["src/ingress/mqtt/whole-publish.test.ts"],
  },
  {
    breaks: "acknowledgements keep the order of arrival",
    file: "src/platform/group-commit.ts",
    from: "    await previous;\n",
    to: "",
    tests: ["src/platform/group-commit.test.ts"],
  },
  {
    breaks: "a weaker durability stops the start",
    file: "src/queue/durability.ts",
    from: "if (!appendOnly || paused) return",
    to: "if (!appendOnly) return",
    tests: ["tests/integration/start-up.test.ts", "tests/integration/puback-means-durable.test.ts"],
  },
  // What must outlive a loss, and what is signed.
  {
    breaks: "a withdrawal is in the journal before it is answered",
    file: "src/consent/ledger/change.ts",
    from: "planned.change.narrowed ? options.journal.narrowing",
    to: "false ? options.journal.narrowing",
    tests: ["tests/integration/consent-ledger.test.ts", "tests/integration/backup-restore.test.ts"],
  },
  {
    breaks: "a receipt is what was signed",
    ...RECEIPT,
    from: "|| !verify(null, input, key, signature)",
    to: "",
  },
  {
    breaks: "a line of the audit log follows the one before it",
    ...AUDIT_CHAIN,
    from: 'if (record.prev !== this.#hash) return { index, problem: "changed" };',
    to: "",
  },
  {
    breaks: "an audit log cut short shows",
    ...AUDIT_CHAIN,
    from: 'if (this.#index < this.#until) return { index: this.#index, problem: "truncated" };',
    to: "",
  },
  {
    breaks: "an erasure says verified only when it saw that nothing is left",
    file: "src/rights/erasure/deletion.ts",
    from: 'verified = (await sink.removeDevices(some, stop)) === "verified" && verified;',
    to: "await sink.removeDevices(some, stop);",
    tests: ["tests/integration/erasure-unverifiable.test.ts", "tests/integration/erasure.test.ts"],
  },
  {
    breaks: "a hold keeps the key",
    file: "src/consent/ledger/subject-erasure.ts",
    from: "if (before.state.holds.size > 0) return false;",
    to: "",
    tests: ["tests/integration/erasure-rules.test.ts"],
  },
  // Two at once.
  {
    breaks: "a late run of an erasure sets nothing back",
    file: "src/rights/erasure/scripts.ts",
    from: 'if not step or (ARGV[1] ~= "" and step ~= ARGV[1]) then return -1 end',
    to: "",
    tests: ["tests/faults/two-at-once-do-it-once.test.ts", "tests/faults/two-gateways-do-it-once.test.ts"],
  },
  {
    breaks: "an event builds on the one before it",
    file: "src/consent/ledger/store.ts",
    from: "if head ~= ARGV[1] then return 0 end",
    to: "",
    tests: ["tests/faults/two-gateways-do-it-once.test.ts"],
  },
  {
    breaks: "a device that was taken meanwhile is not bound as well",
    file: "src/consent/ledger/device-claim.ts",
    from: "if open[1] ~= ARGV[2] then",
    to: "if false then",
    tests: ["tests/faults/two-gateways-do-it-once.test.ts"],
  },
  {
    breaks: "a dead letter is replayed by one of two",
    file: "src/queue/dead-letter-scripts.ts",
    from: '"1", "NX", "PX", ARGV[2])',
    to: '"1", "PX", ARGV[2])',
    tests: ["tests/faults/two-at-once-do-it-once.test.ts", "tests/faults/two-gateways-do-it-once.test.ts"],
  },
  {
    breaks: "a subject that was added again stays on the list of the held",
    file: "src/rights/holds/held-subjects.ts",
    from: 'if tonumber(redis.call("ZSCORE", KEYS[1], ARGV[1]) or "0") ~= tonumber(ARGV[2]) then return 0 end',
    to: "",
    tests: ["tests/faults/two-at-once-do-it-once.test.ts"],
  },
  {
    breaks: "one address holds no more HTTP connections than its share",
    file: "src/http/connections.ts",
    from: "if (held > maxPerAddress)",
    to: "if (held < 0)",
    tests: ["tests/faults/idle-connections-keep-no-right-away.test.ts"],
  },
  {
    breaks: "the oldest idle HTTP connection yields",
    file: "src/http/connections.ts",
    from: "this.#close(idle, this.#all.size - maxConnections);",
    to: "",
    tests: ["tests/faults/idle-connections-keep-no-right-away.test.ts"],
  },
  // Damage, loss and restores.
  {
    breaks: "a damaged record refuses no start",
    file: "src/rights/proof.ts",
    from: 'if (!(error instanceof GatewayError) || error.code !== "LEDGER_BROKEN") throw error;',
    to: "throw error;",
    tests: ["tests/faults/one-record-refuses-no-start.test.ts"],
  },
  {
    breaks: "a torn line is passed over",
    file: "src/rights/journal/format.ts",
    from: "if (isJson(text)) return undefined;",
    to: "return undefined;",
    tests: ["tests/faults/a-torn-journal-line-refuses-no-restore.test.ts"],
  },
  {
    breaks: "an erasure in progress when a backup was taken goes on after a restore",
    file: "src/rights/restore/writer.ts",
    from: "for (const { tag, id } of this.#underWay)",
    to: "for (const { tag, id } of [] as { tag: SubjectTag; id: string }[])",
    tests: ["tests/faults/a-restored-erasure-comes-to-its-end.test.ts"],
  },
  {
    breaks: "rows that no one could look for are not called deleted",
    file: "src/rights/erasure/deletion.ts",
    from: 'const method = complete ? "deleted" : "unlinkable";',
    to: 'const method = "deleted";',
    tests: ["tests/faults/nothing-is-signed-that-was-not-seen.test.ts"],
  },
  {
    breaks: "a clock that was ahead holds no erasure up",
    file: "src/rights/erasure/steps.ts",
    from: "const at = Math.min(now, Number(noted ?? first));",
    to: "const at = Number(noted ?? first);",
    tests: ["tests/faults/a-clock-ahead-holds-nothing-up.test.ts"],
  },
  {
    breaks: "after a deletion without an answer none is sent before the store is done",
    file: "src/sinks/influx/removal.ts",
    from: "if (!this.#inDoubt) return;",
    to: "return;",
    tests: ["tests/faults/an-erasure-has-patience.test.ts"],
  },
  {
    breaks: "what is said again in the same words is not recorded again",
    file: "src/consent/ledger/said-already.ts",
    from: "if (!sameStanding(state, next, { now, openEnded })) return false;",
    to: "return false;",
    tests: ["tests/faults/the-same-statement-twice-changes-nothing.test.ts"],
  },
  // What leaves.
  {
    breaks: "weather goes to no service that lacks a category of it",
    file: "src/sinks/services/crowd-topics.ts",
    from: ".filter(({ categories }) => (categories & whole) === whole)",
    to: ".filter(({ categories }) => categories >= 0 && whole > 0)",
    tests: ["src/sinks/services/told-fields.test.ts"],
  },
  {
    breaks: "nothing is handed over that is not on the account",
    ...TOPICS_OUT,
    from: "if (!this.#accounting.isOpen(account, recipient)) continue;",
    to: "",
  },
  {
    breaks: "nothing is handed over under a name that is not noted",
    ...TOPICS_OUT,
    from: "if (!isKnown(name) || (home !== undefined && !isKnown(home))) continue;",
    to: "",
  },
  {
    breaks: "names in a digest stand in no order",
    file: "src/rights/erasure/digests.ts",
    from: "return shuffled(names);",
    to: "return names;",
    tests: ["tests/integration/erasure-digests.test.ts"],
  },
  {
    breaks: "a digest is made once, by whatever gateway",
    file: "src/rights/erasure/digest-scripts.ts",
    from: 'if not redis.call("ZSCORE", KEYS[1], ARGV[index]) then return 0 end',
    to: "",
    tests: ["tests/integration/erasure-digests.test.ts"],
  },
  {
    breaks: "no service is told names of an epoch before the former one",
    file: "src/rights/erasure/names-to-forget.ts",
    from: "if (until <= ports.now()) continue;",
    to: "",
    tests: ["src/rights/erasure/names-to-forget.test.ts"],
  },
  {
    breaks: "a field does not leave by itself",
    ...TOPICS_OUT,
    from: "JSON.stringify({ device, home, model: told, status, at, cause, current })",
    to: "JSON.stringify(scene)",
  },
  {
    breaks: "what is current leaves in an order that is not that of Redis",
    file: "src/current/teller.ts",
    from: "shuffled(await this.#devices())",
    to: "await this.#devices()",
    tests: ["src/current/teller.test.ts"],
  },
  {
    breaks: "what is current is under no name that has ended",
    file: "src/current/scene-record.ts",
    from: "|| Math.floor(at / epochMs) !== Math.floor(now / epochMs)",
    to: "",
    tests: ["src/current/scene-record.test.ts"],
  },
  {
    breaks: "the weather that is current goes with each person in it",
    file: "src/crowds/current-weather.ts",
    from: "found.every(allows)",
    to: "found.some(allows)",
    tests: ["tests/integration/weather-crowds.test.ts"],
  },
  {
    breaks: "a cell is told of a crowd only",
    file: "src/crowds/activity.ts",
    from: "if (Number(count) >= this.#k(key, cell)) crowded.add(cell);",
    to: "crowded.add(cell);",
    tests: ["tests/integration/crowds.test.ts"],
  },
  {
    breaks: "weather is told of a crowd only",
    file: "src/deidentify/crowd-medians.ts",
    from: "if (values.size >= leastOf(cell))",
    to: "if (values.size > 0)",
    tests: ["src/deidentify/crowd-medians.test.ts"],
  },
  {
    breaks: "a command needs consent",
    file: "src/ingress/services/addressable-names.ts",
    from: "if (verdict === undefined || verdict.refusal !== undefined || usable(verdict.grants, purpose, categories) === 0) {",
    to: "if (verdict === undefined || verdict.refusal !== undefined) {",
    tests: ["src/ingress/mqtt/broker.test.ts"],
  },
  {
    breaks: "a token opens only what its scopes say",
    file: "src/http/access.ts",
    from: "if (needs !== undefined && !mayAsk(caller.scopes, needs)) return",
    to: "if (needs === undefined) return",
    tests: ["src/http/scopes.test.ts"],
  },
  {
    breaks: "a link needs all that its page can do",
    file: "src/http/v1/scopes.ts",
    from: 'allOf("consent", "read", "export", "erase")',
    to: 'oneOf("consent", "read", "export", "erase")',
    tests: ["src/http/scopes.test.ts"],
  },
  {
    breaks: "what is being answered ends with its token",
    file: "src/http/access.ts",
    from: "request.socket.destroy();",
    to: "request.socket.ref();",
    tests: ["src/http/access.test.ts"],
  },
  {
    breaks: "a gateway that can't read accepts no named token",
    file: "src/tokens/directory.ts",
    from: "<= TOKENS_KNOWN_FOR_MS) return known;",
    to: "<= Number.POSITIVE_INFINITY) return known;",
    tests: ["src/tokens/directory.test.ts"],
  },
  {
    breaks: "a named token ends at its time",
    file: "src/tokens/directory.ts",
    from: "known === undefined || known.endsAt <= this.#ports.now()",
    to: "known === undefined",
    tests: ["src/tokens/directory.test.ts"],
  },
  {
    breaks: "the session of a link ends with the token that asked for it",
    file: "src/http/centre/session.ts",
    from: "via !== undefined && !tokens.stands(via)",
    to: "via !== undefined && tokens === undefined",
    tests: ["tests/integration/tokens-command.test.ts"],
  },
  {
    breaks: "what is being answered for a session ends with the token of its link",
    file: "src/http/centre/session.ts",
    from: "if (session.via !== undefined) callers.endWith",
    to: "if (session.via === undefined) callers.endWith",
    tests: ["src/http/centre/session.test.ts"],
  },
  {
    breaks: "a kept answer is repeated to who asked alone",
    file: "src/http/idempotency.ts",
    from: 'tokenOf(request)?.name ?? ""',
    to: 'tokenOf(request)?.name && ""',
    tests: ["src/http/idempotency.test.ts"],
  },
];
