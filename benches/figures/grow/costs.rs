//! What each kind of request costs beside little and beside much: requests go to the servers of all
//! sizes in turns.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime};

use crate::Res;
use crate::grow::fill::{Size, address, small};
use crate::grow::good_client::{APPLY, lock, unlock};
use crate::process::Server;
use crate::report::{Report, median};
use crate::start::path;
use crate::wire::{Connection, Request};

/// How often each kind is asked.
const ROUNDS: usize = 41;
/// How far apart the states are that are asked for one after the other; a prime.
const APART: usize = 7_919;

/// The requests of one round, each with the name of its kind.
pub(super) type Kinds = fn(&Place, usize) -> Vec<(&'static str, Request)>;

/// A server with much or little.
pub(super) struct Place {
    server: Server,
    connection: Connection,
    count: usize,
    /// Since 1970, in seconds, when this run began: no run before had such names and serials.
    run: usize,
}

/// How long requests of a kind took, in ms, and how much of the processor, in µs; for each size.
type Costs = BTreeMap<usize, (Vec<f64>, Vec<f64>)>;

impl Place {
    fn new(size: Size) -> Res<Self> {
        let server = Server::on(&size.directory()?, &[])?;
        let connection = server.connect()?;
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let run = usize::try_from(since.as_secs())?;
        Ok(Self {
            server,
            connection,
            count: size.count(),
            run,
        })
    }

    fn get(&self, path: &str) -> Request {
        Request::get(path, &self.server.secret)
    }

    fn post(&self, state: usize, round: usize) -> Request {
        let body = small(state, self.run * 100 + round);
        Request::post(&path(state), &self.server.secret, body)
    }

    /// How many milliseconds a request takes, and how many microseconds of the server's processor.
    fn timed(&mut self, request: &Request) -> Res<(f64, f64)> {
        let cpu = self.server.process.exact_cpu_seconds()?;
        let began = Instant::now();
        self.connection.exchange(request)?;
        let took = began.elapsed().as_secs_f64();
        let cpu = self.server.process.exact_cpu_seconds()? - cpu;
        Ok((took * 1e3, cpu * 1e6))
    }
}

/// Asks for everything in turns, and adds a table.
pub(super) fn run(report: &mut Report, what: &str, sizes: &[Size], kinds: Kinds) -> Res<()> {
    // A server waits ten seconds for what comes on a connection: all are filled before.
    sizes
        .iter()
        .try_for_each(|size| size.directory().map(drop))?;
    let places = sizes.iter().map(|size| Place::new(*size));
    let mut places = places.collect::<Res<Vec<_>>>()?;
    let (mut names, mut costs) = (Vec::new(), BTreeMap::<&str, Costs>::new());
    for round in 0..ROUNDS {
        eprintln!("grow: {what}, {} of {ROUNDS}", round + 1);
        for place in &mut places {
            for (name, request) in kinds(place, round) {
                let (took, cpu) = place
                    .timed(&request)
                    .map_err(|error| format!("{name}: {error}"))?;
                let of_all = costs.entry(name).or_default();
                let kept = of_all.entry(place.count).or_default();
                kept.0.push(took);
                kept.1.push(cpu);
                names.push(name);
            }
        }
    }
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    table(report, what, &names, &costs);
    places.into_iter().try_for_each(|place| place.server.stop())
}

fn table(report: &mut Report, what: &str, names: &[&str], costs: &BTreeMap<&str, Costs>) {
    let middle = |values: &[f64]| median(values.to_vec()).unwrap_or(f64::NAN);
    let mut head = vec![format!("p50 ms; CPU µs, by {what}")];
    let mut rows = Vec::new();
    for name in names {
        let Some(kind) = costs.get(name) else {
            continue;
        };
        if rows.is_empty() {
            head.extend(kind.keys().map(usize::to_string));
            head.push("ratio".to_owned());
            head.push("CPU ratio".to_owned());
        }
        let figures: Vec<(f64, f64)> = kind
            .values()
            .map(|(took, cpu)| (middle(took), middle(cpu)))
            .collect();
        let cells = figures
            .iter()
            .map(|(took, cpu)| format!("{took:.2}; {cpu:.0}"));
        let mut row: Vec<String> = std::iter::once((*name).to_owned()).chain(cells).collect();
        if let (Some(first), Some(last)) = (figures.first(), figures.last()) {
            row.push(format!("{:.2}", last.0 / first.0));
            row.push(format!("{:.2}", last.1 / first.1));
        }
        rows.push(row);
    }
    let right: Vec<bool> = (0..head.len()).map(|column| column > 0).collect();
    report.wide_table(&head, &right, &rows);
}

/// By the number of states.
pub(super) fn of_states(place: &Place, round: usize) -> Vec<(&'static str, Request)> {
    let written = (round * APART + 17) % place.count;
    let read = path((round * APART + place.count / 2) % place.count);
    let new = format!(
        "/api/terraform/state/workspace/new-{}/buildingblock/b-{round}",
        place.run
    );
    let to_lock = path((round * APART + 5) % place.count);
    let deep = path(place.count * 3 / 4);
    let deep = deep
        .trim_start_matches("/api/terraform/state/workspace/")
        .replace("/buildingblock/", "/");
    let secret = &place.server.secret;
    let new = Request::post(&new, secret, small(place.count + round, 1));
    let list = |query: &str| place.get(&format!("/api/terraform/state?{query}"));
    vec![
        ("POST there", place.post(written, round)),
        ("POST new", new),
        ("LOCK", lock(&to_lock, secret, APPLY)),
        ("UNLOCK", unlock(&to_lock, secret)),
        ("GET first", place.get(&read)),
        ("GET again", place.get(&read)),
        ("list, first 50", list("limit=50")),
        ("list, deep 50", list(&format!("limit=50&after={deep}"))),
        ("list, 1,000", list("limit=1000")),
        ("list, one workspace", list("limit=100&workspace=w-004")),
        (
            "list, one building block",
            list("limit=50&buildingBlock=b-04"),
        ),
        (
            "search, one fits",
            place.get(&format!("/api/search?q={}", address(written))),
        ),
        (
            "search, all fit",
            place.get("/api/search?q=aws_instance&limit=50"),
        ),
        (
            "search, none fits",
            place.get("/api/search?q=nothing-like-it"),
        ),
        ("inventory", place.get("/api/inventory?limit=50")),
        ("events, newest", place.get("/api/events?limit=50")),
        ("/metrics", place.get("/metrics")),
        ("/api/status", place.get("/api/status")),
        ("/readyz", place.get("/readyz")),
    ]
}

/// By the number of versions of one state.
pub(super) fn of_versions(place: &Place, round: usize) -> Vec<(&'static str, Request)> {
    let state = path(0);
    let versions = |query: &str| place.get(&format!("{state}/versions{query}"));
    let middle = place.count / 2;
    vec![
        ("POST there", place.post(0, round)),
        ("GET", place.get(&state)),
        ("versions, newest 50", versions("?limit=50")),
        (
            "versions, deep 50",
            versions(&format!("?limit=50&before={}", middle + 1)),
        ),
        (
            "an old version",
            versions(&format!("/{}", middle - round / 2)),
        ),
        ("its row", versions(&format!("/{middle}/info"))),
        (
            "diff to the one before",
            versions(&format!("/{middle}/diff")),
        ),
        (
            "list, the page with the state",
            place.get("/api/terraform/state?limit=50"),
        ),
        ("inventory", place.get("/api/inventory?limit=50")),
        ("/metrics", place.get("/metrics")),
        ("/api/status", place.get("/api/status")),
    ]
}

/// By the number of events.
pub(super) fn of_events(place: &Place, round: usize) -> Vec<(&'static str, Request)> {
    let events = |query: &str| place.get(&format!("/api/events?limit=50{query}"));
    let ago = |hours: u64| {
        let time = SystemTime::now() - Duration::from_secs(hours * 3_600);
        humantime::format_rfc3339_seconds(time).to_string()
    };
    let (recent, end, begin) = (ago(1), ago(200 * 24), ago(201 * 24));
    vec![
        ("POST", place.post(round, round)),
        ("newest", events("")),
        ("deep", events(&format!("&before={}", place.count / 2))),
        ("a rare kind", events("&kind=state.move")),
        ("a frequent kind", events("&kind=state.write")),
        ("since an hour ago", events(&format!("&since={recent}"))),
        ("until 200 days ago", events(&format!("&until={end}"))),
        (
            "one day, 200 days ago",
            events(&format!("&since={begin}&until={end}")),
        ),
        ("attention", events("&attention=true")),
        ("one workspace", events("&workspace=w-004")),
        ("one state", events("&workspace=w-004&buildingBlock=b-04")),
        (
            "one workspace, a rare kind",
            events("&workspace=w-004&kind=state.move"),
        ),
        ("/metrics", place.get("/metrics")),
        ("/api/status", place.get("/api/status")),
    ]
}
