/** How a command ends, by sysexits.h. */
export const exit = {
  ok: 0, // EX_OK
  usage: 64, // EX_USAGE
  unavailable: 69, // EX_UNAVAILABLE
  software: 70, // EX_SOFTWARE
  cantCreate: 73, // EX_CANTCREAT
  noPermission: 77, // EX_NOPERM
  config: 78, // EX_CONFIG
} as const;
