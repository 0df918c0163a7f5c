//! Every call of the server has a heading of its own in `docs/api.md` with what it takes and one
//! example, and every such heading is a call that the server has.
//!
//! The routes are read from where the server declares them; `Allow` of a running server shows that
//! they were read right.

use std::collections::{BTreeMap, BTreeSet};

use super::{API, markdown};
use crate::harness::{Server, state_path};

pub(super) const ROUTES: &str = include_str!("../../../src/http/mod.rs");
/// The files that declare parameters of their own for the routes.
const ENDPOINTS: [(&str, &str); 11] = [
    (
        "activity",
        include_str!("../../../src/http/endpoints/activity.rs"),
    ),
    (
        "detect",
        include_str!("../../../src/http/endpoints/detect.rs"),
    ),
    (
        "events",
        include_str!("../../../src/http/endpoints/events.rs"),
    ),
    (
        "import",
        include_str!("../../../src/http/endpoints/import.rs"),
    ),
    (
        "inventory",
        include_str!("../../../src/http/endpoints/inventory.rs"),
    ),
    ("keys", include_str!("../../../src/http/endpoints/keys.rs")),
    (
        "resources",
        include_str!("../../../src/http/endpoints/resources.rs"),
    ),
    (
        "search",
        include_str!("../../../src/http/endpoints/search.rs"),
    ),
    (
        "states",
        include_str!("../../../src/http/endpoints/states.rs"),
    ),
    (
        "trusts",
        include_str!("../../../src/http/endpoints/trusts.rs"),
    ),
    (
        "versions",
        include_str!("../../../src/http/endpoints/versions.rs"),
    ),
];

/// How the page writes the address of a state.
const STATE: &str = "…";
/// The most characters of a cell.
const MAX_CELL: usize = 200;

/// The calls of a server or of a page: path, method, and the parameters of the query.
pub(super) type Calls = BTreeMap<(String, String), BTreeSet<String>>;

/// The beginning of the paths in each function of routes.
const PREFIXES: [(&str, &str); 4] = [
    ("fn of_server(", ""),
    ("fn of_state(", STATE),
    ("fn of_version(", "…/versions/{number}"),
    ("fn of_key(", "/api/keys/{id}"),
];

/// The calls that the server declares.
pub(super) fn declared(routes: &str) -> Calls {
    let mut calls = Calls::new();
    for (function, prefix) in PREFIXES {
        let body = routes.split(function).nth(1).unwrap_or_default();
        let body = body.split("\n}\n").next().unwrap_or_default();
        for chain in body.split("at(\"").skip(1) {
            let path = chain.split('"').next().unwrap_or_default();
            declare(&mut calls, &format!("{prefix}{path}"), chain);
        }
    }
    calls
}

/// The calls at one path, from the text behind it.
fn declare(calls: &mut Calls, path: &str, chain: &str) {
    for verb in [".on(", ".with(", ".protocol("] {
        for offered in chain.split(verb).skip(1) {
            let offered = offered.split("\n            .").next().unwrap_or_default();
            let mut literals = literals(offered);
            let methods = literals.next().unwrap_or_default();
            let names = match offered.split_once("::PARAMETERS") {
                _ if verb == ".on(" => String::new(),
                Some((before, _)) => parameters_of(before),
                None => literals.next().unwrap_or_default(),
            };
            for method in methods.split_whitespace() {
                let names = names.split_whitespace().map(str::to_owned).collect();
                calls.insert((path.to_owned(), method.to_owned()), names);
            }
        }
    }
}

/// The parameters that a file of endpoints declares, by a text that ends in its name.
fn parameters_of(text: &str) -> String {
    let file = text.rsplit([' ', '(']).next().unwrap_or_default();
    let (_, source) = ENDPOINTS
        .into_iter()
        .find(|(name, _)| *name == file)
        .unwrap_or_else(|| panic!("`{file}` is missing in ENDPOINTS"));
    let declared = source.split("const PARAMETERS: &str").nth(1);
    first_literal(declared.unwrap_or_default())
}

fn first_literal(text: &str) -> String {
    literals(text).next().unwrap_or_default()
}

fn literals(text: &str) -> impl Iterator<Item = String> {
    text.split('"').skip(1).step_by(2).map(str::to_owned)
}

/// A heading such as "`POST, PUT …/lock`": its methods and its path.
fn call(title: &str) -> Option<(Vec<String>, String)> {
    let inside = title.strip_prefix('`')?.strip_suffix('`')?;
    let (methods, path) = inside.rsplit_once(' ')?;
    let mut methods: Vec<String> = methods.split(", ").map(str::to_owned).collect();
    // HEAD is offered wherever GET is, as the page says in one place.
    if methods.iter().any(|method| method == "GET") {
        methods.push("HEAD".to_owned());
    }
    Some((methods, path.to_owned()))
}

/// What the page and the declarations do not agree on.
fn judge(api: &str, declared: &Calls) -> Vec<String> {
    let mut findings = Vec::new();
    let mut told = BTreeSet::new();
    for section in markdown::sections(api) {
        let Some((methods, path)) = call(section.title).filter(|_| section.level == 3) else {
            continue;
        };
        let text = section.text();
        let in_ticks: BTreeSet<&str> = markdown::in_backticks(&text).into_iter().collect();
        for method in methods {
            let key = (path.clone(), method.clone());
            match declared.get(&key) {
                None => findings.push(format!("`{method} {path}` is no call of the server")),
                Some(names) => findings.extend(unnamed(names, &in_ticks, &method, &path)),
            }
            if !told.insert(key) {
                findings.push(format!("`{method} {path}` has two headings"));
            }
        }
        findings.extend(example(&section, &path));
    }
    let missing = declared.keys().filter(|key| !told.contains(*key));
    findings.extend(missing.map(|(path, method)| format!("`{method} {path}` has no heading")));
    findings
}

/// The parameters that a section does not name: `ID`, `limit=50` and `limit=N` name one.
fn unnamed(
    names: &BTreeSet<String>,
    in_ticks: &BTreeSet<&str>,
    method: &str,
    path: &str,
) -> Vec<String> {
    let is_named = |name: &String| {
        in_ticks
            .iter()
            .any(|word| word.split('=').next() == Some(name.as_str()))
    };
    let missing = names.iter().filter(|name| !is_named(name));
    missing
        .map(|name| format!("`{method} {path}` does not name its parameter `{name}`"))
        .collect()
}

/// Whether a section has one example with curl, of its own method and path.
fn example(section: &markdown::Section<'_>, path: &str) -> Option<String> {
    let blocks = section.blocks("sh");
    let [block] = blocks.as_slice() else {
        return Some(format!("{} has not one example", section.title));
    };
    let method = match block.split("-X ").nth(1) {
        Some(rest) => rest.split_whitespace().next().unwrap_or_default(),
        None if block.contains("--json") || block.contains("--data-binary") => "POST",
        None => "GET",
    };
    let is_method = section.title[1..]
        .split(' ')
        .any(|word| word.trim_end_matches(',') == method);
    let is_path = asked_path(block).is_some_and(|asked| fits(&asked, path));
    (!block.contains("curl") || !is_method || !is_path)
        .then(|| format!("the example of {} asks something else", section.title))
}

/// The path that an example asks for, with the names of variables as they stand.
fn asked_path(block: &str) -> Option<String> {
    let start = block.rfind("$STATE").or_else(|| block.rfind("$SERVER"))?;
    let address = block[start..].split(['"', '?', ' ', '\n']).next()?;
    Some(address.replace("$STATE", STATE).replace("$SERVER", ""))
}

/// Whether an asked path is of a pattern with parts in braces.
fn fits(asked: &str, pattern: &str) -> bool {
    let (asked, pattern): (Vec<&str>, Vec<&str>) =
        (asked.split('/').collect(), pattern.split('/').collect());
    let fit = |(asked, pattern): (&&str, &&str)| pattern.starts_with('{') || asked == pattern;
    asked.len() == pattern.len() && asked.iter().zip(&pattern).all(fit)
}

/// The cells of tables that are too long to be read beside others.
fn long_cells(page: &str, text: &str) -> Vec<String> {
    let lines = markdown::lines(text);
    let cells = markdown::rows(&lines)
        .into_iter()
        .flat_map(|(line, cells)| {
            let long = cells.into_iter().map(|cell| cell.chars().count());
            long.filter(|length| *length > MAX_CELL)
                .map(move |length| (line, length))
        });
    cells
        .map(|(line, length)| format!("{page}:{line}: a cell of {length} characters"))
        .collect()
}

#[test]
fn every_call_has_a_heading_with_its_parameters_and_an_example() {
    let findings = judge(API, &declared(ROUTES));
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[test]
fn no_cell_of_a_table_is_longer_than_a_line_or_two() {
    let findings = long_cells("docs/api.md", API);
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    let planted = format!("| a |\n| --- |\n| {} |\n", "x".repeat(MAX_CELL + 1));
    assert_eq!(
        long_cells("x.md", &planted),
        ["x.md:3: a cell of 201 characters"]
    );
}

#[test]
fn a_running_server_allows_the_methods_that_have_headings() {
    let server = Server::start();
    let mut by_path: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, method) in declared(ROUTES).into_keys() {
        by_path.entry(path).or_default().insert(method);
    }
    assert!(by_path.len() > 30, "{by_path:?}");
    for (path, methods) in by_path {
        let asked = path
            .replace(STATE, &state_path("team/net"))
            .replace("{number}", "1")
            .replace("{hash}", "0")
            .replace("{folder}", "views")
            .replace("{file}", "home.js")
            .replace("{workspace}", "team")
            .replace("{id}", "0b5f7c3e-1d2a-4c4b-9e8f-00112233aabb");
        let answer = server.admin().send("PATCH", &asked, "").expect_status(405);
        let allowed = answer.header("allow");
        let allowed: BTreeSet<String> = allowed.split(", ").map(str::to_owned).collect();
        assert_eq!(allowed, methods, "{path}");
    }
}

#[test]
fn a_call_that_only_one_side_has_is_found() {
    let declared = declared(ROUTES);
    let cases = [
        (
            "### `POST …/purge`",
            "### `POST …/shred`",
            "`POST …/shred` is no call of the server",
        ),
        (
            "### `POST …/purge`",
            "### `POST …/shred`",
            "`POST …/purge` has no heading",
        ),
        (
            "### `POST …/purge`",
            "#### `POST …/purge`",
            "`POST …/purge` has no heading",
        ),
        (
            "### `PUT /api/ret",
            "### `POST /api/ret",
            "`POST /api/retention/{workspace}` is no call",
        ),
        (
            "`locked=true`",
            "`lock=true`",
            "`GET /api/terraform/state` does not name its parameter",
        ),
        (
            "$STATE/purge\n",
            "$STATE/restore\n",
            "the example of `POST …/purge` asks something else",
        ),
        (
            "-X DELETE $STATE/transfer",
            "$STATE/transfer",
            "the example of `DELETE …/transfer` asks",
        ),
        (
            "curl $SERVER/healthz",
            "curl $SERVER/readyz",
            "the example of `GET /healthz` asks",
        ),
    ];
    for (there, planted, beginning) in cases {
        assert!(API.contains(there), "{there}");
        let findings = judge(&API.replace(there, planted), &declared);
        let is_found = findings
            .iter()
            .any(|finding| finding.starts_with(beginning));
        assert!(is_found, "{planted}: {findings:#?}");
    }
    let more = ROUTES.replacen("at(\"/purge\")", "at(\"/shred\")", 1);
    let findings = judge(API, &super::calls::declared(&more));
    let expected = [
        "`POST …/purge` is no call of the server",
        "`POST …/shred` has no heading",
    ];
    assert_eq!(findings, expected);
}
