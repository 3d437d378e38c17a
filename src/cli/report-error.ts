import { errorMessage, isPlatformError, type ErrorCode } from '../base/errors.ts';

/** Exit codes by error code; 125 to 127 are for `run`, as docker has them. */
const EXIT_CODES: Partial<Record<ErrorCode, number>> = { invalid: 2, 'not-found': 4, cancelled: 130 };

/** Writes the error as one line (and its hint), returns the exit code. A bug of ours shows its stack. */
export function reportError(error: unknown, write: (text: string) => void): number {
  const parseArgsCode = (error as { code?: unknown } | null)?.code;
  if (typeof parseArgsCode === 'string' && parseArgsCode.startsWith('ERR_PARSE_ARGS')) {
    write(`sampan: ${errorMessage(error).split('. ')[0]!}; see \`sampan help\`\n`);
    return 2;
  }
  if (!isPlatformError(error)) {
    write(
      `sampan: internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    return 70;
  }
  write(`sampan: ${error.message}${error.hint === undefined ? '' : `; ${error.hint}`}\n`);
  const exitCode = error.details['exitCode'];
  return typeof exitCode === 'number' ? exitCode : (EXIT_CODES[error.code] ?? 1);
}
