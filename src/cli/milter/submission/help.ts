/** `postern milter --policy submission --help`. */
import { directoryVariables, variables } from './variables.js';

const line = (name: string, doc: string): string => `  ${name.padEnd(24)} ${doc}\n`;

const own = Object.entries(variables).map(([name, { default: byDefault, doc }]) =>
  line(name, `${doc}${byDefault === '' ? '' : ` [${byDefault}]`}`),
);
const directory = Object.values(directoryVariables).map(([name, doc]) => line(name, doc));

export const submissionHelp = `usage: postern milter --policy submission [--check-config | --print-config | --help | --version]

Refuses or marks mail we send on for domains whose SPF record ends in -all and does not permit us, in the place of
sos-milter. Everything is told by environment:

${own.join('')}
Where LDAP_ENABLED is true:

${directory.join('')}`;
