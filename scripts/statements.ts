/**
 * How much code there is, independent of how it is laid out: statements, declarations of members and cases in `src`, tests
 * left out; and the share of comment lines. `node --import tsx scripts/statements.ts [folder of another checkout]`.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

export interface CodeSize {
  readonly files: number;
  readonly statements: number;
  /** Lines that hold nothing but a comment, of all lines that are not empty. */
  readonly commentShare: number;
}

export function codeSize(sources: Iterable<string>): CodeSize {
  let [files, statements, lines, comments] = [0, 0, 0, 0];
  for (const text of sources) {
    files += 1;
    statements += statementsIn(ts.createSourceFile("x.ts", text, ts.ScriptTarget.Latest, false));
    for (const line of text.split("\n").map((one) => one.trim())) {
      if (line === "") continue;
      lines += 1;
      if (/^(\/\/|\/\*|\*)/.test(line)) comments += 1;
    }
  }
  return { files, statements, commentShare: lines === 0 ? 0 : comments / lines };
}

/** A block is no statement of its own: it is counted by what stands in it. */
function statementsIn(node: ts.Node): number {
  let count = 0;
  const visit = (one: ts.Node): void => {
    const counts = ts.isStatement(one) && !ts.isBlock(one);
    if (counts || ts.isClassElement(one) || ts.isCaseOrDefaultClause(one)) count += 1;
    ts.forEachChild(one, visit);
  };
  ts.forEachChild(node, visit);
  return count;
}

function* sourcesBelow(root: string): Generator<string> {
  for (const file of readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })) {
    if (file.endsWith(".ts") && !file.endsWith(".test.ts")) yield readFileSync(join(root, "src", file), "utf8");
  }
}

if (process.argv[1]?.endsWith("statements.ts")) {
  const { files, statements, commentShare } = codeSize(sourcesBelow(process.argv[2] ?? "."));
  process.stdout.write(
    `${statements} statements in ${files} files, ${(100 * commentShare).toFixed(1)} % comment lines\n`,
  );
}
