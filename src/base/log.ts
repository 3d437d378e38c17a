/** Structured lines on standard error: `2026-01-02T03:04:05.678Z info kubelet: pod started pod=default/web`. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger for one component. */
  child(component: string): Logger;
}

const ORDER: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

export function createLogger(
  write: (line: string) => void,
  options: { level?: LogLevel; component?: string; now?: () => number } = {},
): Logger {
  const { level = 'info', component = '', now = Date.now } = options;
  const at =
    (lineLevel: LogLevel) =>
    (message: string, fields: LogFields = {}): void => {
      if (ORDER[lineLevel] < ORDER[level]) return;
      const pairs = Object.entries(fields).map(([key, value]) => ` ${key}=${format(value)}`);
      const from = component === '' ? '' : ` ${component}:`;
      write(`${new Date(now()).toISOString()} ${lineLevel}${from} ${message}${pairs.join('')}\n`);
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (name) =>
      createLogger(write, { ...options, component: component === '' ? name : `${component}.${name}` }),
  };
}

function format(value: unknown): string {
  if (value instanceof Error) {
    const cause = value.cause instanceof Error ? ` (${value.cause.message})` : '';
    return JSON.stringify(value.message + cause);
  }
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');
  return /^[\w./:@-]+$/.test(text) ? text : JSON.stringify(text);
}

export const silentLogger: Logger = createLogger(() => {});
