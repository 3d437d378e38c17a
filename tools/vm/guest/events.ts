/** What the guest tells the host, one JSON object a line on the port named {@link PORT}. */
export type GuestEvent =
  | {
      readonly type: 'hello';
      readonly kernel: string;
      /** Seconds since the kernel started. */ readonly uptime: number;
    }
  | { readonly type: 'file-start'; readonly file: string }
  | { readonly type: 'test-start'; readonly file: string; readonly name: string }
  | TestEnd
  | { readonly type: 'output'; readonly file: string; readonly text: string }
  | FileEnd
  | { readonly type: 'end' };

export interface TestEnd {
  readonly type: 'test-end';
  readonly file: string;
  /** With the names of the suites around it. */
  readonly name: string;
  readonly suite: boolean;
  readonly passed: boolean;
  readonly milliseconds: number;
  /** Why it was skipped, or is still to do; `true` without a reason. */
  readonly skipped?: string | true;
  /** Absent when it failed for its subtests only: they have told. */
  readonly error?: string;
}

export interface FileEnd {
  readonly type: 'file-end';
  readonly file: string;
  readonly milliseconds: number;
  /** The file's process failed, whatever its tests said. */
  readonly error?: string;
}

/** What the host asks of the guest: `plan.json` beside the repository. */
export interface Plan {
  readonly files: readonly PlannedFile[];
  readonly concurrency: number;
  /** Milliseconds. */
  readonly testTimeout: number;
  /** For the test files' processes, on top of the runner's own. */
  readonly env: Readonly<Record<string, string>>;
}

export interface PlannedFile {
  /** From the repository's root. */
  readonly file: string;
  /** Milliseconds, for all of it: one that blocks its process does not hear of the timeout of a test. */
  readonly timeout: number;
  /** Not beside another file: after all that may. */
  readonly alone: boolean;
}

export const PORT = 'sampan.results';
export const REPOSITORY = '/work-under-test';
