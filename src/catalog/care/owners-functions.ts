/**
 * What only the owner of the catalog's tables can do, as functions that hosts call: a step of migrations.ts. roles.ts
 * lets them run as the owner, so each looks itself at what it is asked for.
 */
export const ownersFunctionsSql = `
-- How many days of mail there are at least: nobody but the owner of these tables removes younger ones.
create table keeping (what text primary key, days integer);

-- Is whoever calls a function of ours the owner of these tables, and not a host?
create function is_owner() returns boolean language sql stable as $$
  select pg_has_role(session_user, current_user, 'usage')
$$;

-- Ends with an error where whoever calls may not remove days before that one.
create function require_old(of_what text, before date) returns void language plpgsql as $$
declare
  least integer;
begin
  if is_owner() then
    return;
  end if;
  select days into least from keeping where what = of_what;
  if least is null or before > (clock_timestamp() at time zone 'UTC')::date - least then
    raise exception 'hosts may remove what is older than % days, as "postern catalog migrate" was told',
      coalesce(least::text, 'any number of');
  end if;
end $$;

create function may_make(wanted date) returns boolean language sql stable as $$
  select is_owner() or wanted between '2000-01-01' and (clock_timestamp() at time zone 'UTC')::date + 4
$$;

-- A host makes no parts of days that no mail can have; its line finds none, and is put aside.
create or replace function make_parts(wanted date) returns void language plpgsql as $$
declare
  name text;
  part text;
begin
  if to_regclass('fate_' || to_char(wanted, 'YYYYMMDD')) is not null then
    return;
  end if;
  if not may_make(wanted) then
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

create or replace function drop_parts(before date) returns integer language plpgsql as $$
declare
  part record;
  dropped integer := 0;
begin
  perform require_old('mail', before);
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

-- The same of the journal.
create function make_journal_parts(wanted date) returns void language plpgsql as $$
declare
  name text;
  part text;
begin
  if to_regclass('journal_tally_' || to_char(wanted, 'YYYYMMDD')) is not null then
    return;
  end if;
  if not may_make(wanted) then
    return;
  end if;
  perform pg_advisory_xact_lock(7365002);
  foreach name in array array['journal', 'journal_tally'] loop
    part := name || '_' || to_char(wanted, 'YYYYMMDD');
    if to_regclass(part) is null then
      execute format('create table %I partition of %I for values from (%L) to (%L)', part, name,
        wanted::timestamp at time zone 'UTC', (wanted + 1)::timestamp at time zone 'UTC');
    end if;
  end loop;
end $$;

create function drop_journal_parts(before date) returns integer language plpgsql as $$
declare
  part record;
  dropped integer := 0;
begin
  perform require_old('journal', before);
  for part in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent in ('journal'::regclass, 'journal_tally'::regclass)
      and right(c.relname, 8) < to_char(before, 'YYYYMMDD')
  loop
    execute format('drop table %I', part.relname);
    dropped := dropped + 1;
  end loop;
  return dropped;
end $$;

-- What sealing does, for those who may make no index themselves: nobody writes to the part meanwhile.
create function seal_part(part text) returns void language plpgsql as $$
begin
  if not exists (select from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'mail'::regclass and c.relname = part
      and right(part, 8) < to_char(clock_timestamp() at time zone 'UTC', 'YYYYMMDD'))
  then
    raise exception '% is no part of a day that is over', part;
  end if;
  if exists (select from pg_index where indexrelid = to_regclass(part || '_words') and not indisvalid) then
    execute format('drop index %I', part || '_words');
  end if;
  execute format('create index if not exists %I on %I using gin (words gin_trgm_ops)', part || '_words', part);
end $$;

-- Takes a deleted mail's octets away, unless a copy that is not deleted has the same; returns where they were.
create function take_octets(of_day date, of_id text, of_n integer)
returns table (deflated bytea, segment text, start integer, length integer) language sql as $$
  delete from octets o using body b
  where b.day = of_day and b.id = of_id and b.n = of_n and o.day = b.day and o.sha256 = b.sha256
    and not exists (
      select from body c where c.day = b.day and c.sha256 = b.sha256 and not exists (
        select from fate f where f.day = c.day and f.id = c.id and f.n = c.n and f.kind = 'deleted'))
  returning o.deflated, o.segment, o.start, o.length
$$;
`;
