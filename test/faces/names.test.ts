/**
 * The names that other programs may rely on, one list a face. Whoever adds a name adds it here; whoever takes one away
 * breaks somebody's program, and says so in the release notes.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../../src/cli/package-root.js';

const golden: Readonly<Record<string, string>> = {
  hooks: `ArgumentKind Check ClientName CloseContext Content DataContext DnsAnswer EarlyTalk EnvelopeContext Field GivenPoints Header HeaderEdit HookContext HookName Ip LookupOptions Mail
    MailContext Markers MessageSource Network Plugin PluginLog PluginSaying RcptContext Recipient RecordData RecordType
    RelayedContext RelayedMail Reply Resolver
    SessionContext SessionFacts ShownField Store StoreAnswer TestMail UnknownCommandContext Verdict accept closing contains count defer defineCheck delay discard note
    oncePerMail pardon parseIp parseNetwork pass readArguments refuse reject rejectRecipient reply rewrite route score skip taken testMail
    testRecipient time timeText verdictOf`,
  spf: `AuthenticationResults AuthenticationResultsInput Directive DnsAnswer Finding Ip LintOptions LintReport LintSubject
    LookupOptions LookupTrace Modifier Network ParsedRecord ReceivedSpf ReceivedSpfInput RecordData RecordTrace RecordType
    Resolver Selection SpfLimits SpfMethodInput SpfOptions SpfOutcome SpfQuery SpfRecord SpfResultCode SpfTrace SyntaxProblem
    Term TermOutcome TermTrace authenticationResultsName checkHelo checkHost contains defaultLimits isSpfRecord lint parseIp
    parseNetwork parseRecord readAuthenticationResults readReceivedSpf receivedSpfName selectRecord sentenceOf spfMethod
    writeAuthenticationResults writeReceivedSpf`,
  dns: `CaaRecord CacheSettings ClientName ClientNameOptions DnsAnswer Ip LookupOptions Mx RecordData RecordType Resolver Result
    SrvRecord StubResolver StubSettings TimedAnswer TlsaRecord Upstream ZoneResolver cachingResolver clientName parseIp readZone readZoneFile
    reverseName stubResolver zoneResolver`,
  milter: `Answer ChangedMail Edit EditKind Endpoint EnvelopePath FilterMessagesOptions FinalAnswer HeaderField Ip
    MacroStage MacroWishes MailAnswer MailBody MailFilter MilterClient MilterEvent MilterHandlers MilterHeader
    MilterObservation MilterPolicy MilterProblem MilterServer MilterServerOptions MilterTester MilterWishes MtaLines
    ParsedEndpoint Reaction ReplyAnswer Session SessionAnswer SilentEvent Skip SocketPermissions SocketProblem
    TesterAnswer TesterEnd TesterMail TesterOffer Transaction WholeMail accept deleteHeader discard endpointText
    filterMessages insertHeader parseEndpoint proceed quarantine reject replyWith skip smtpdMilters tempfail`,
};

/** `export { a, type B as C } from '…'` and `export type { … }`: the names as they are seen from outside. */
function exportedBy(source: string): readonly string[] {
  return [...source.matchAll(/^export (?:type )?\{([^}]*)\}/gm)]
    .flatMap(([, inside = '']) => inside.split(','))
    .map((name) =>
      name
        .replace(/^.*\bas\b/, '')
        .replace(/\btype\b/, '')
        .trim(),
    )
    .filter((name) => name !== '')
    .toSorted();
}

for (const [room, names] of Object.entries(golden))
  test(`postern/${room === 'hooks' ? 'plugin' : room} exports these names`, () => {
    const source = readFileSync(join(packageRoot, `src/${room}/index.ts`), 'utf8');
    assert.deepEqual(exportedBy(source), names.trim().split(/\s+/).toSorted());
  });
