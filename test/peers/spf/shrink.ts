/** Makes a case as small as it can be made while something still holds of it. */
import type { SpfCase, ZoneItems } from '../../support/spf-cases.js';

export async function shrink(start: SpfCase, holds: (spfCase: SpfCase) => Promise<boolean>): Promise<SpfCase> {
  let smallest = start;
  for (let found: SpfCase | undefined = start; found;) {
    smallest = found;
    found = await firstThatHolds(smallerCases(smallest), holds);
  }
  return smallest;
}

async function firstThatHolds(
  cases: Iterable<SpfCase>,
  holds: (spfCase: SpfCase) => Promise<boolean>,
): Promise<SpfCase | undefined> {
  for (const one of cases) if (await holds(one)) return one;
  return undefined;
}

function* smallerCases(spfCase: SpfCase): Iterable<SpfCase> {
  const names = Object.entries(spfCase.zone);
  for (const [name] of names) {
    yield { ...spfCase, zone: Object.fromEntries(names.filter(([other]) => other !== name)) };
  }
  for (const [name, items] of names) {
    for (const fewer of smallerItems(items)) yield { ...spfCase, zone: { ...spfCase.zone, [name]: fewer } };
  }
  if (spfCase.helo !== 'helo.example') yield { ...spfCase, helo: 'helo.example' };
}

function* smallerItems(items: ZoneItems): Iterable<ZoneItems> {
  for (const [type, records] of Object.entries(items)) {
    if (!Array.isArray(records)) continue;
    for (let i = 0; i < records.length && records.length > 1; i++) yield { ...items, [type]: records.toSpliced(i, 1) };
  }
  const { TXT = [] } = items;
  for (const [i, strings] of TXT.entries()) {
    const terms = strings.join('').split(' ');
    for (let j = 1; j < terms.length; j++) yield { ...items, TXT: TXT.with(i, [terms.toSpliced(j, 1).join(' ')]) };
  }
}
