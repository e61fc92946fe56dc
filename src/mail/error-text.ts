/** What was thrown, as text: an error's message, or whatever else it is. Not yet safe to show: see `text`. */
export const errorText = (error: unknown): string => String(error instanceof Error ? error.message : error);

/** The same with the way that led there, where it is an error: for the log, where a bug is looked for. */
export const errorStack = (error: unknown): string => (error instanceof Error && error.stack) || errorText(error);
