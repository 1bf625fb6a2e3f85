/** What became of a configuration that was read again while the gateway runs. Options by name, never what they were set to. */
export type Reloaded =
  | {
      readonly refused?: undefined;
      /** In force now. */
      readonly changed: readonly string[];
      /** They differ from what is in force, and stay as they are until the gateway starts again. */
      readonly needRestart: readonly string[];
    }
  | {
      /** Nothing has changed; each of these would have to be put right first. */
      readonly refused: readonly {
        readonly option: string;
        readonly reason: string;
        readonly place?: string | undefined;
      }[];
    };
