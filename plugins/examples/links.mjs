/**
 * links — rejects mail with a link to a domain that is on a DNS list of such. How little that takes; uribl, which ships
 * with postern, knows registered domains, several zones and weights.
 *
 *     links dbl.example.org
 */
import { defineCheck, pass, reject } from 'postern';

const maxHosts = 20;

/** @param {readonly string[]} args */
export default function links([zone, ...more]) {
  if (zone === undefined || more.length > 0) throw new Error('takes one zone, such as dbl.example.org');
  return defineCheck({
    name: 'links',
    async inspect({ content, dns, log }) {
      const read = await content();
      if (read.kind === 'unreadable') return pass;
      const names = domainsIn(`${read.text} ${read.html}`);
      const answers = await Promise.all(names.map(async (name) => dns.lookup(`${name}.${zone}`, 'A')));
      if (answers.some(({ kind }) => kind === 'failed')) log.warn('the list cannot be asked', { zone });
      const listed = names.find((_, i) => isListing(answers[i]));
      return listed === undefined ? pass : reject('Link to a listed domain', `${listed} is in ${zone}`);
    },
  });
}

/** Which part of a host somebody has registered is not known here: the last two labels are asked for, and three. */
function domainsIn(text) {
  const hosts = [...text.matchAll(/\bhttps?:\/\/([a-z0-9.-]+\.[a-z]{2,})/gi)].map(([, host]) => host.toLowerCase());
  const labels = [...new Set(hosts)].slice(0, maxHosts).map((host) => host.split('.'));
  return [...new Set(labels.flatMap((all) => [all.slice(-2).join('.'), all.slice(-3).join('.')]))];
}

/** RFC 5782 §2.1; by 127.255.255.0/24 lists say that they do not answer. */
const isListing = (answer) =>
  answer.kind === 'found' && answer.records.some(({ text }) => /^127\.(?!255\.255\.)/.test(text));
