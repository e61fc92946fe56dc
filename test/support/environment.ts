/**
 * What a postern process of a test inherits: all but settings, of which POSTERN_REQUIRE_PEERS, for the tests, is
 * none.
 */
export const inherited = (): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('POSTERN_')));
