//! What goes over the wire with the page: the policy, the types, what is not there and what is not
//! allowed.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::{INDEX, PLACE, POLICY, below, kind, part};
use crate::harness::{Answer, Client, Server, tfstate};

/// The directives in an order that does not matter.
fn directives(policy: &str) -> Vec<&str> {
    let mut list: Vec<&str> = policy
        .split(';')
        .map(str::trim)
        .filter(|directive| !directive.is_empty())
        .collect();
    list.sort_unstable();
    list
}

#[track_caller]
fn expect_guarded(path: &str, answer: &Answer, kind: &str, kept: &str) {
    assert_eq!(
        directives(answer.header("content-security-policy")),
        directives(POLICY),
        "{path}"
    );
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
    assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
    assert_eq!(answer.header("cache-control"), kept, "{path}");
    assert!(
        answer.header("content-type").starts_with(kind),
        "{path}: {}",
        answer.header("content-type")
    );
    assert!(
        !answer.headers.contains_key("set-cookie"),
        "{path} sets a cookie"
    );
}

/// What is below the hash of all files never changes.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

#[test]
fn the_page_names_its_files_below_a_hash_of_them_and_is_kept_by_nobody() {
    let server = Server::start();
    let answer = server.anonymous().get("/").expect_status(200);
    expect_guarded("/", &answer, "text/html", "no-store");
    let (first, _) = below(&server).swap_remove(0);
    let hash = first.split('/').nth(2).unwrap_or_default();
    assert_eq!(hash.len(), 64, "{first}");
    let as_it_lies = answer.text().replace(&format!("{PLACE}{hash}/"), PLACE);
    assert!(as_it_lies == part(INDEX), "/ is not what lies in static/");
    let again = Server::start();
    assert_eq!(
        below(&again),
        below(&server),
        "the hash is of the files alone"
    );
}

/// A file as browsers get it: there are empty lines where comments are, and no line of a sheet is
/// indented.
fn as_served(file: &str) -> String {
    let text = part(file);
    let opens = match kind(file) {
        _ if file.starts_with("vendor/") => return text,
        "text/javascript" => "/**",
        "text/css" => "/*",
        _ => return text,
    };
    let mut lines: Vec<_> = text.lines().collect();
    let mut at = 0;
    while at < lines.len() {
        let first = lines[at].trim_start();
        if first.starts_with(opens) {
            while !lines[at].ends_with("*/") {
                lines[at] = "";
                at += 1;
            }
            lines[at] = "";
        } else if first.starts_with("//") {
            lines[at] = "";
        }
        at += 1;
    }
    if kind(file) == "text/css" {
        for line in &mut lines {
            *line = line.trim();
        }
    }
    lines.join("\n") + "\n"
}

/// A control: nothing but comments is left out, and texts keep their addresses.
#[test]
fn browsers_get_all_of_a_script_and_of_a_sheet_but_their_comments() {
    let (file, served) = ("router.js", as_served("router.js"));
    assert!(part(file).contains("// Every view is a link."));
    assert!(!served.contains("// Every view is a link."), "{served}");
    assert!(!served.contains("/**"), "{served}");
    assert_eq!(served.lines().count(), part(file).lines().count());
    let code = |text: &str| text.matches("export ").count();
    assert_eq!(code(&served), code(&part(file)));
    let (file, served) = ("style.css", as_served("style.css"));
    assert!(part(file).contains("/* Controls. */") && !served.contains("/*"));
    let rules = |text: &str| text.matches('{').count();
    assert_eq!(rules(&served), rules(&part(file)));
}

#[test]
fn every_file_is_served_as_it_lies_in_the_tree_without_comments_and_guarded() {
    let server = Server::start();
    for (path, file) in below(&server) {
        let answer = server.anonymous().get(&path).expect_status(200);
        expect_guarded(&path, &answer, kind(&file), FOR_GOOD);
        assert!(
            answer.text() == as_served(&file),
            "{path} is not what lies in static/{file}"
        );
    }
}

/// The most bytes of the whole page as browsers get it.
const MAX_COMPRESSED: usize = 80_000;

/// What a client gets that takes these encodings.
fn taken(server: &Server, path: &str, encodings: &str) -> Answer {
    let request = server.anonymous().request("GET", path);
    Client::ask(request.header("Accept-Encoding", encodings)).expect_status(200)
}

fn unpacked(gzip: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(gzip);
    decoder.read_to_end(&mut whole).expect("gzip");
    whole
}

#[test]
fn browsers_get_every_file_compressed_and_the_whole_page_is_small() {
    let server = Server::start();
    let mut all = below(&server);
    all.push(("/".to_owned(), INDEX.to_owned()));
    let mut whole = 0;
    for (path, file) in all {
        let plain = server.anonymous().get(&path).expect_status(200);
        let packed = taken(&server, &path, "gzip, deflate, br, zstd");
        assert_eq!(packed.header("content-encoding"), "gzip", "{path}");
        assert_eq!(plain.header("content-encoding"), "", "{path}");
        assert_eq!(unpacked(&packed.bytes), plain.bytes, "{path}");
        for answer in [&plain, &packed] {
            assert_eq!(answer.header("vary"), "Accept-Encoding", "{path}");
            let kept = if file == INDEX { "no-store" } else { FOR_GOOD };
            expect_guarded(&path, answer, kind(&file), kept);
        }
        // The licences are for people who ask for them: no browser does.
        if kind(&file) != "text/plain" {
            whole += packed.bytes.len();
        }
    }
    assert!(whole <= MAX_COMPRESSED, "the page has {whole} bytes");
}

#[test]
fn nobody_gets_gzip_who_does_not_take_it() {
    let server = Server::start();
    for encodings in [
        "identity",
        "gzip;q=0",
        "br, zstd",
        "",
        "gzip;q=0.1, identity",
    ] {
        let answer = taken(&server, "/", encodings);
        assert_eq!(answer.header("content-encoding"), "", "{encodings}");
    }
    for encodings in ["gzip", "GZIP;q=0.5, br", "deflate, gzip"] {
        let answer = taken(&server, "/", encodings);
        assert_eq!(answer.header("content-encoding"), "gzip", "{encodings}");
    }
}

#[test]
fn head_answers_like_get_without_the_body() {
    let server = Server::start();
    for (path, file) in below(&server) {
        let answer = server
            .anonymous()
            .send("HEAD", &path, "")
            .expect_status(200);
        expect_guarded(&path, &answer, kind(&file), FOR_GOOD);
        let length = as_served(&file).len().to_string();
        assert_eq!(answer.header("content-length"), length, "{path}");
        assert!(answer.bytes.is_empty(), "{path} has a body");
    }
}

/// A tab that is older than the server asks for the files of another version. It gets none of
/// this one.
#[test]
fn files_of_another_version_are_not_found() {
    let server = Server::start();
    let other = format!("/assets/{}/app.js", "0".repeat(64));
    let (first, _) = below(&server).swap_remove(0);
    let index = format!(
        "/{}/{INDEX}",
        first
            .split('/')
            .skip(1)
            .take(2)
            .collect::<Vec<_>>()
            .join("/")
    );
    for path in [
        other.as_str(),
        "/assets/app.js",
        "/assets/x/views/home.js",
        &index,
    ] {
        let browser = server
            .anonymous()
            .request("GET", path)
            .header("Accept", "text/html");
        Client::ask(browser).expect_problem(404, "not_found");
    }
}

#[test]
fn other_paths_are_not_found() {
    let server = Server::start();
    for path in [
        "/nothing",
        "/static/style.css",
        "/style.css",
        "/index.html",
        "/assets/",
        "/favicon.ico",
        "/.git/config",
        "/Cargo.toml",
    ] {
        let browser = server
            .anonymous()
            .request("GET", path)
            .header("Accept", "text/html");
        Client::ask(browser).expect_problem(404, "not_found");
        // A program would take 404 for a state that is not there.
        server
            .anonymous()
            .get(path)
            .expect_problem(400, "bad_address");
    }
}

/// Past the HTTP client, which would tidy these paths up before it sends them.
#[test]
fn no_path_leads_out_of_the_page() {
    let server = Server::start();
    for path in [
        "/../Cargo.toml",
        "/assets/../../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/..%2fCargo.toml",
        "//etc/passwd",
    ] {
        let mut stream = TcpStream::connect(server.address()).expect("the server listens");
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        .expect("sent");
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .expect("an answer in UTF-8");
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(matches!(status, "400" | "404"), "{path}: {answer}");
    }
}

#[test]
fn other_methods_are_not_allowed() {
    let server = Server::start();
    let (file, _) = below(&server).swap_remove(0);
    for path in ["/", &file] {
        for method in ["POST", "PUT", "DELETE", "PATCH", "LOCK"] {
            let answer = server
                .anonymous()
                .send(method, path, "")
                .expect_problem(405, "method_not_allowed");
            let mut allowed: Vec<&str> = answer.header("allow").split(',').map(str::trim).collect();
            allowed.sort_unstable();
            assert_eq!(allowed, ["GET", "HEAD"], "{method} {path}");
        }
    }
}

#[test]
fn what_the_page_asks_needs_no_credentials_and_says_no_more_than_it_should() {
    let server = Server::start();
    let answer = server.anonymous().get("/readyz").expect_status(200);
    assert!(
        answer
            .header("content-type")
            .starts_with("application/json"),
        "{}",
        answer.header("content-type")
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let readyz = answer.json();
    let mut members: Vec<&str> = readyz
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    members.sort_unstable();
    assert_eq!(
        members,
        ["name", "problems", "since", "status", "verified_at"]
    );
    assert_eq!(
        (&readyz["status"], &readyz["name"]),
        (&"ready".into(), &"statekeep".into())
    );
    assert_eq!(readyz["problems"], serde_json::json!([]));
    assert_eq!(
        server.anonymous().get("/healthz").expect_status(200).json(),
        serde_json::json!({"status": "ok"})
    );
}

#[test]
fn nothing_public_names_a_state() {
    let server = Server::start();
    let team = server.key("canary-team", "writer");
    team.write(
        "canary-team/canary-network",
        tfstate("canary-lineage", 1),
        None,
    )
    .expect_status(200);
    team.lock("canary-team/canary-network", "canary-lock")
        .expect_status(200);
    let files = below(&server).into_iter().map(|(path, _)| path);
    let others = ["/", "/readyz", "/healthz", "/nothing"].map(str::to_owned);
    for path in files.chain(others) {
        let answer = server.anonymous().get(&path);
        let whole = format!("{:?} {}", answer.headers, answer.text()).to_lowercase();
        assert!(!whole.contains("canary"), "{path}: {whole}");
    }
}
