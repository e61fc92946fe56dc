/** What was thrown, as text: an error's message, or whatever else it is. Not yet safe to show: see `text`. */
export const errorText = (error: unknown): string => String(error instanceof Error ? error.message : error);
