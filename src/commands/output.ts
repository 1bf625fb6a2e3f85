/**
 * The output of every command. A reader that has enough and goes (`npm run audit -- list | head`) is no fault: what is
 * written after that is dropped, an act goes on to its end, and who only lists stops.
 */
let readerGone = false;

/** To be called once, before anything is written. Any other fault of the output ends the process, as it does by itself. */
export function watchOutput(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      readerGone ||= stream === process.stdout;
    });
}

/** Whether no one reads what is said any more. */
export function isUnread(): boolean {
  return readerGone;
}

/** One line, or several. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** The same for what can't be said again; rejects when it did not leave this process. */
export function saySurely(line: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(`${line}\n`, (error) => (error ? reject(error) : resolve()));
  });
}
