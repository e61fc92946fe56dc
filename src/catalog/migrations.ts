/**
 * The catalog's tables, as numbered steps: each is one transaction, and none is ever changed once it has been
 * released. What has a day has its part of that UTC day, which goes as a whole. Leaves carrying them out to schema.ts.
 */
import { ownersFunctionsSql } from './care/owners-functions.js';
import { journalTables } from './journal/tables.js';

export interface Migration {
  /** From 1, without gaps. */
  readonly version: number;
  readonly sql: string;
}

const first = `
create extension if not exists pg_trgm;

-- The hosts. A node is a host's own random name; whoever holds it holds it until then, by this server's clock.
create table node (
  node text primary key,
  host text not null,
  holder text not null,
  until timestamptz not null
);

-- One line for each refused recipient, as the index of its host has it. words: all its texts in lower case.
create table mail (
  day date not null,
  id text collate "C" not null,
  n integer not null,
  node text not null,
  domain text not null,
  at timestamptz not null,
  time text not null,
  sender text not null,
  recipient text not null,
  subject text not null,
  filename text not null,
  ip text not null,
  host text not null,
  helo text not null,
  reason text not null,
  plugin text not null,
  message_id text not null,
  size bigint not null,
  spf text,
  reply text,
  header_from text,
  words text not null,
  primary key (day, id, n)
) partition by range (day);
create index mail_domain on mail (domain, id, n);

-- Where the octets of a mail are: all that stands behind its Recipient line, which copies have in common.
create table body (
  day date not null,
  id text collate "C" not null,
  n integer not null,
  size bigint not null,
  sha256 bytea not null,
  primary key (day, id, n)
) partition by range (day);

create table octets (
  day date not null,
  sha256 bytea not null,
  deflated bytea not null,
  primary key (day, sha256)
) partition by range (day);
alter table octets alter column deflated set storage external;

-- What became of a mail afterwards. It may be known before the mail's own line is.
create table fate (
  day date not null,
  id text collate "C" not null,
  n integer not null,
  kind text not null check (kind in ('released', 'deleted')),
  state text not null check (state in ('claimed', 'sending', 'done', 'refused')),
  claim integer not null default 1,
  until timestamptz,
  at timestamptz not null default clock_timestamp(),
  who text not null,
  node text not null,
  detail text not null default '',
  primary key (day, id, n, kind)
) partition by range (day);
create index fate_at on fate (kind, at);

-- How many there are, counted when they come: nobody who looks counts lines.
create table tally (
  day date not null,
  domain text not null,
  plugin text not null,
  reason text not null,
  mails bigint not null,
  octets bigint not null,
  primary key (day, domain, plugin, reason)
);

-- What could not be taken: a line as JSON, and why.
create table strange (
  number bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  node text not null,
  line text not null,
  problem text not null
);

-- Makes the parts of a day, where they are not there yet.
create function make_parts(wanted date) returns void language plpgsql as $$
declare
  name text;
  part text;
begin
  if to_regclass('fate_' || to_char(wanted, 'YYYYMMDD')) is not null then
    return;
  end if;
  -- One at a time; whoever waited finds them made.
  perform pg_advisory_xact_lock(7365002);
  foreach name in array array['mail', 'body', 'octets', 'fate'] loop
    part := name || '_' || to_char(wanted, 'YYYYMMDD');
    if to_regclass(part) is null then
      execute format('create table %I partition of %I for values from (%L) to (%L)', part, name, wanted, wanted + 1);
    end if;
  end loop;
end $$;

-- Removes the parts of days before that one, and what was counted of them. Days are compared as text: the names of
-- other tables, which are none, may be looked at before they are left out.
create function drop_parts(before date) returns integer language plpgsql as $$
declare
  part record;
  dropped integer := 0;
begin
  for part in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent in ('mail'::regclass, 'body'::regclass, 'octets'::regclass, 'fate'::regclass)
      and right(c.relname, 8) < to_char(before, 'YYYYMMDD')
  loop
    execute format('drop table %I', part.relname);
    dropped := dropped + 1;
  end loop;
  delete from tally where day < before;
  return dropped;
end $$;
`;

const second = `
-- The digests of domains, and whoever sends one.
create table digest (
  day date not null,
  domain text not null,
  state text not null check (state in ('claimed', 'sending', 'done')),
  claim integer not null default 1,
  until timestamptz,
  at timestamptz not null default clock_timestamp(),
  node text not null,
  primary key (day, domain)
);

-- What links of digests are signed with, and those that were used, until they have ended anyway.
create table secret (name text primary key, value bytea not null);
create table spent (name text primary key, until timestamptz not null);

-- Who may see the page: lines as they stand in the file of tokens.
create table token (hash text primary key, name text not null, line text not null);
`;

const third = `
-- The octets may be elsewhere: in an object of a store, from there on, so many.
alter table octets alter column deflated drop not null;
alter table octets add column segment text, add column start integer, add column length integer;
alter table octets add check ((deflated is null) = (segment is not null and start is not null and length is not null));
`;

const fourth = `
-- Who is logged in to the page: the hash of a session's secret, and of the token that it began with.
create table session (
  hash text primary key,
  token text not null references token (hash) on delete cascade,
  notices text not null default '[]',
  used timestamptz not null default clock_timestamp()
);
create index session_token on session (token);
`;

const audit = `
-- Who changed what: the lines of all hosts' audits, each known by a hash of its own, and by how many like it were
-- before. words: its texts in lower case. Nobody takes one away.
create table audit (
  node text not null,
  digest text not null,
  n integer not null,
  number bigint generated always as identity,
  host text not null,
  at timestamptz not null,
  line text not null,
  words text not null,
  primary key (node, digest, n)
);
create index audit_at on audit (at, number);
create index audit_words on audit using gin (words gin_trgm_ops);
`;

const behind = `
-- What a host has not brought yet, as it says itself.
alter table node add column behind_mails bigint not null default 0, add column behind_octets bigint not null default 0,
  add column behind_since timestamptz;
`;

const score = `
-- The sum of the points that checks gave, and who gave them; rows of before have none.
alter table mail add column score float8, add column points text;
`;

export const migrations: readonly Migration[] = [
  { version: 1, sql: first },
  { version: 2, sql: second },
  { version: 3, sql: third },
  { version: 4, sql: fourth },
  { version: 5, sql: journalTables },
  { version: 6, sql: audit },
  { version: 7, sql: 'alter table journal rename column node to host' },
  { version: 8, sql: behind },
  { version: 9, sql: ownersFunctionsSql },
  { version: 10, sql: score },
];
