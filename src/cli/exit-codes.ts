/** How a command ends, by sysexits.h. */
export const exit = {
  ok: 0, // EX_OK
  notAll: 1, // not of sysexits.h: as of grep, where nothing was found
  usage: 64, // EX_USAGE
  unavailable: 69, // EX_UNAVAILABLE
  software: 70, // EX_SOFTWARE
  cantCreate: 73, // EX_CANTCREAT
  ioError: 74, // EX_IOERR
  noPermission: 77, // EX_NOPERM
  config: 78, // EX_CONFIG
} as const;
