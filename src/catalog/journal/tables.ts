/** The tables of the journal, a step of migrations.ts; a later one calls the node of a line its host. */
export const journalTables = `
-- What became of every mail: the lines of all hosts' journals, each named by when it ended, its host, and where it
-- stands in its file. tokens: what a search asks for whole (addresses, domains, ids), as hashes.
create table journal (
  at timestamptz not null,
  node text collate "C" not null,
  start bigint not null,
  tokens integer[] not null,
  line text not null,
  primary key (at, node, start)
) partition by range (at);
create index journal_tokens on journal using gin (tokens) with (gin_pending_list_limit = 256);

-- How many lines there are, counted when they come.
create table journal_tally (
  kind text collate "C" not null check (kind in ('verdict', 'plugin', 'sender', 'client')),
  hour timestamptz not null,
  domain text collate "C" not null,
  name text collate "C" not null,
  lines bigint not null,
  primary key (kind, hour, domain, name)
) partition by range (hour);

-- Addresses that are to be taken out of the journal, and which hosts have done so in their files.
create table erasure (
  number bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  address text not null
);
create table erased (
  number bigint not null references erasure on delete cascade,
  node text not null,
  primary key (number, node)
);
`;
