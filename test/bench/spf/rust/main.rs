//! mail-auth or viaspf in `npm run bench:spf`: judges each case again and again, and says how often in a second of CPU
//! time. `../worker.ts` says what is read and written. Usage: spf-peers mail-auth | viaspf
//!
//! DNS is in memory, in maps without a lock that are hashed with FxHash; mail-auth finds its records parsed. As every
//! answer is there at once, one poll ends a future. viaspf is built without its time limit, which needs a runtime.

use async_trait::async_trait;
use mail_auth::dns::{DnsCache, DnssecStatus, Mx, Negative, RecordSet, ResolverCache, ToFqdn, TxtRecord, TxtRecordParser};
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::spf::verify::SpfParameters;
use mail_auth::{spf::SpfRecord, MessageAuthenticator, Parameters};
use rustc_hash::FxHashMap;
use serde_json::Value;
use std::borrow::Borrow;
use std::future::Future;
use std::hash::Hash;
use std::io::BufRead;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use viaspf::lookup::{Lookup, LookupError, LookupResult, Name};

const BATCH: usize = 200;

struct Case {
    ip: String,
    helo: String,
    from: String,
    result: String,
}

/// Judges a case so often, and returns the last result.
type Judge = Box<dyn Fn(&Case, usize) -> String>;

fn main() {
    let mut lines = std::io::stdin().lock().lines().map(|line| line.expect("standard input"));
    let input: Value = serde_json::from_str(&lines.next().expect("a first line")).expect("JSON");
    let zone = zone_of(&input["zone"]);
    let cases: Vec<Case> = input["cases"].as_array().expect("cases").iter().map(case_of).collect();
    let judge = match std::env::args().nth(1).as_deref() {
        Some("mail-auth") => mail_auth_judge(&zone),
        Some("viaspf") => viaspf_judge(&zone),
        _ => panic!("usage: spf-peers mail-auth | viaspf"),
    };
    for line in lines {
        let mut numbers = line.split(' ').map(|word| word.parse::<u64>().expect("a number"));
        let case = &cases[numbers.next().expect("a case") as usize];
        println!("{}", rate_of(&judge, case, numbers.next().expect("microseconds")));
    }
}

/// Evaluations in a second of CPU time, measured for so many microseconds of it.
fn rate_of(judge: &Judge, case: &Case, limit: u64) -> f64 {
    let start = cpu_micros();
    for count in (BATCH..).step_by(BATCH) {
        let result = judge(case, BATCH);
        assert_eq!(result, case.result, "{}", case.from);
        let cpu = cpu_micros() - start;
        if cpu >= limit {
            return count as f64 / cpu as f64 * 1e6;
        }
    }
    unreachable!()
}

fn cpu_micros() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock writes to a timespec of ours.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut now) }, 0);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

/// The value of a future whose every answer is there at once.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a look-up outside the zone"),
    }
}

#[derive(Default)]
struct Zone {
    txt: FxHashMap<String, Vec<String>>,
    mx: FxHashMap<String, Vec<(u16, String)>>,
    a: FxHashMap<String, Vec<Ipv4Addr>>,
}

fn text_of(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

fn case_of(value: &Value) -> Case {
    let [ip, helo, from, result] = ["ip", "helo", "from", "result"].map(|key| text_of(&value[key]));
    Case { ip, helo, from, result }
}

fn zone_of(value: &Value) -> Zone {
    let mut zone = Zone::default();
    for (name, entry) in value.as_object().expect("a zone") {
        let records = |kind: &str| entry[kind].as_array().cloned();
        if let Some(records) = records("TXT") {
            let joined = |strings: &Value| strings.as_array().expect("strings").iter().map(text_of).collect();
            zone.txt.insert(name.clone(), records.iter().map(joined).collect());
        }
        if let Some(records) = records("MX") {
            let host = |mx: &Value| (mx[0].as_u64().expect("a preference") as u16, text_of(&mx[1]));
            zone.mx.insert(name.clone(), records.iter().map(host).collect());
        }
        if let Some(records) = records("A") {
            let address = |text: &Value| text_of(text).parse().expect("an address");
            zone.a.insert(name.clone(), records.iter().map(address).collect());
        }
    }
    zone
}

// mail-auth

struct Known<K, V>(FxHashMap<K, V>);

impl<K: Hash + Eq, V: Clone> ResolverCache<K, V> for Known<K, V> {
    fn get<Q>(&self, name: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0.get(name).cloned()
    }

    fn remove<Q>(&self, _: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: K, _: V, _: Instant) {}
}

type Answer<T> = Result<RecordSet<T>, Negative>;

struct Caches {
    txt: Known<Box<str>, TxtRecord>,
    mx: Known<Box<str>, Answer<Mx>>,
    ipv4: Known<Box<str>, Answer<Ipv4Addr>>,
    ipv6: Known<Box<str>, Answer<Ipv6Addr>>,
    ptr: Known<IpAddr, Answer<Box<str>>>,
}

impl DnsCache for Caches {
    type Txt = Known<Box<str>, TxtRecord>;
    type Mx = Known<Box<str>, Answer<Mx>>;
    type Ipv4 = Known<Box<str>, Answer<Ipv4Addr>>;
    type Ipv6 = Known<Box<str>, Answer<Ipv6Addr>>;
    type Ptr = Known<IpAddr, Answer<Box<str>>>;

    fn txt(&self) -> Option<&Self::Txt> {
        Some(&self.txt)
    }

    fn mx(&self) -> Option<&Self::Mx> {
        Some(&self.mx)
    }

    fn ipv4(&self) -> Option<&Self::Ipv4> {
        Some(&self.ipv4)
    }

    fn ipv6(&self) -> Option<&Self::Ipv6> {
        Some(&self.ipv6)
    }

    fn ptr(&self) -> Option<&Self::Ptr> {
        Some(&self.ptr)
    }
}

fn found<T>(records: impl IntoIterator<Item = T>) -> Answer<T> {
    Ok(RecordSet { records: records.into_iter().collect(), dnssec_status: DnssecStatus::Indeterminate })
}

fn known<T, V>(records: &FxHashMap<String, T>, answer: impl Fn(&T) -> V) -> Known<Box<str>, V> {
    Known(records.iter().map(|(name, value)| (name.to_fqdn().into(), answer(value))).collect())
}

fn mail_auth_judge(zone: &Zone) -> Judge {
    let caches = Caches {
        txt: known(&zone.txt, |records| {
            let octets: Vec<Vec<u8>> = records.iter().map(|text| text.clone().into_bytes()).collect();
            SpfRecord::parse_records(&octets).into()
        }),
        mx: known(&zone.mx, |hosts| {
            found(hosts.iter().map(|(preference, host)| Mx {
                preference: *preference,
                exchanges: Box::new([host.as_str().into()]),
            }))
        }),
        ipv4: known(&zone.a, |addresses| found(addresses.iter().copied())),
        ipv6: Known(FxHashMap::default()),
        ptr: Known(FxHashMap::default()),
    };
    let authenticator =
        MessageAuthenticator::new(ResolverConfig::default(), ResolverOpts::default()).expect("a resolver");
    Box::new(move |case, times| {
        let mut result = None;
        for _ in 0..times {
            let ip: IpAddr = case.ip.parse().expect("an address");
            let parameters = SpfParameters::mail_from(ip, &case.helo, "mx.example.com", &case.from);
            result = Some(ready(authenticator.verify_spf(Parameters::new(parameters).with_cache(&caches))));
        }
        result.map_or_else(String::new, |output| output.result().to_string())
    })
}

// viaspf

struct Names {
    txt: FxHashMap<Name, Vec<String>>,
    mx: FxHashMap<Name, Vec<Name>>,
    a: FxHashMap<Name, Vec<Ipv4Addr>>,
}

fn records_of<T: Clone>(records: &FxHashMap<Name, Vec<T>>, name: &Name) -> LookupResult<Vec<T>> {
    records.get(name).cloned().ok_or(LookupError::NoRecords)
}

#[async_trait]
impl Lookup for Names {
    async fn lookup_a<'lookup, 'a>(&'lookup self, name: &'a Name) -> LookupResult<Vec<Ipv4Addr>> {
        records_of(&self.a, name)
    }

    async fn lookup_aaaa<'lookup, 'a>(&'lookup self, _: &'a Name) -> LookupResult<Vec<Ipv6Addr>> {
        Err(LookupError::NoRecords)
    }

    async fn lookup_mx<'lookup, 'a>(&'lookup self, name: &'a Name) -> LookupResult<Vec<Name>> {
        records_of(&self.mx, name)
    }

    async fn lookup_txt<'lookup, 'a>(&'lookup self, name: &'a Name) -> LookupResult<Vec<String>> {
        records_of(&self.txt, name)
    }

    async fn lookup_ptr<'lookup>(&'lookup self, _: IpAddr) -> LookupResult<Vec<Name>> {
        Err(LookupError::NoRecords)
    }
}

fn name_of(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn named<T, V>(records: &FxHashMap<String, T>, value: impl Fn(&T) -> V) -> FxHashMap<Name, V> {
    records.iter().map(|(name, it)| (name_of(name), value(it))).collect()
}

fn viaspf_judge(zone: &Zone) -> Judge {
    let names = Arc::new(Names {
        txt: named(&zone.txt, Vec::clone),
        mx: named(&zone.mx, |hosts| hosts.iter().map(|(_, host)| name_of(host)).collect()),
        a: named(&zone.a, Vec::clone),
    });
    let config = viaspf::Config::builder().hostname("mx.example.com").build();
    Box::new(move |case, times| {
        let mut result = None;
        for _ in 0..times {
            let ip: IpAddr = case.ip.parse().expect("an address");
            let sender = case.from.parse().expect("a sender");
            let helo = case.helo.parse().ok();
            result = Some(ready(viaspf::evaluate_sender(names.as_ref(), &config, ip, &sender, helo.as_ref())));
        }
        result.map_or_else(String::new, |output| output.spf_result.to_string())
    })
}
