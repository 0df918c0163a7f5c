//! HTTP/2: the API is the same over it, and a client has no more of it than it would have of
//! HTTP/1.1.

use std::future::Future;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::authority::Site;
use super::{L1, client_config};
use crate::harness::{Client, PATIENCE, Server, state_path, tfstate};
use crate::scrape::Scrape;
use crate::skip;

type Head = http_types::Request<()>;

/// Runs a client.
pub(super) fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let work = async { tokio::time::timeout(5 * PATIENCE, work).await };
    runtime.expect("a runtime").block_on(work).expect("in time")
}

/// A connection of HTTP/2, whose frames go on beside the test.
async fn connection(site: &Site, server: &Server) -> SendRequest<Bytes> {
    connection_over(client_config(&site.authority, &[b"h2"]), server).await
}

/// The same with a client's side of TLS.
pub(super) async fn connection_over(
    config: Arc<rustls::ClientConfig>,
    server: &Server,
) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(server.address())
        .await
        .expect("a connection");
    let name = rustls::pki_types::ServerName::try_from("localhost").expect("a name");
    let connector = TlsConnector::from(config);
    let stream = connector.connect(name, stream).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (requests, frames) = h2::client::handshake(stream).await.expect("HTTP/2");
    tokio::spawn(frames);
    requests.ready().await.expect("ready")
}

pub(super) fn head(method: &str, path: &str, caller: Option<&Client>) -> Head {
    let uri = format!("https://localhost{path}");
    let request = http_types::Request::builder().method(method).uri(uri);
    let request = match caller {
        Some(caller) => request.header("authorization", format!("Bearer {}", caller.secret())),
        None => request,
    };
    request.body(()).expect("a request")
}

/// The status and the body of an answer.
pub(super) async fn answer(response: ResponseFuture) -> Result<(u16, String), h2::Error> {
    let (parts, mut body) = response.await?.into_parts();
    let mut text = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        let _ = body.flow_control().release_capacity(piece.len());
        text.extend_from_slice(&piece);
    }
    Ok((
        parts.status.as_u16(),
        String::from_utf8_lossy(&text).into_owned(),
    ))
}

/// A request that never ends.
fn begin(requests: &mut SendRequest<Bytes>, head: Head) -> (ResponseFuture, SendStream<Bytes>) {
    requests.send_request(head, false).expect("a stream")
}

#[test]
fn curl_speaks_http2_and_http1() {
    let Some(curl) = skip::program("curl", "STATEKEEP_CURL") else {
        return;
    };
    let site = Site::new();
    let server = site.setup().start();
    let writer = server.key("team", "writer");
    let large = tfstate(L1, 1).replace(
        "\"version\"",
        &format!("{}\"version\"", " ".repeat(300_000)),
    );
    site.write("state", &large);
    let url = server.state("team/net");
    for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let mut command = Command::new(&curl);
        command.args(["-sS", flag, "--cacert", &site.flag("ca.pem")]);
        command.args([
            "-u",
            &format!("x:{}", writer.secret()),
            "-w",
            "\n%{http_version} %{http_code}",
        ]);
        command.args(["--data-binary", &format!("@{}", site.flag("state")), &url]);
        let output = command.output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let end = format!("\n{version} 200");
        assert!(
            text.ends_with(&end),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert_eq!(writer.read("team/net").expect_status(200).text(), large);
}

#[test]
fn many_requests_share_a_connection_and_each_has_its_own_answer() {
    let site = Site::new();
    let server = site.setup().start();
    let admin = server.admin();
    admin
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    run(async {
        let mut requests = connection(&site, &server).await;
        let mut answers = Vec::new();
        for _ in 0..20 {
            let head = head("GET", &state_path("team/net"), Some(&admin));
            answers.push(requests.send_request(head, true).expect("a stream").0);
            requests = requests.ready().await.expect("ready");
        }
        for response in answers {
            assert_eq!(
                answer(response).await.expect("an answer"),
                (200, tfstate(L1, 1))
            );
        }
        // One that is refused before its body is read leaves the others alone.
        let (refused, _body) = begin(&mut requests, head("POST", &state_path("team/net"), None));
        assert_eq!(answer(refused).await.expect("an answer").0, 401);
        let read = head("GET", &state_path("team/net"), Some(&admin));
        let (read, _) = requests.send_request(read, true).expect("a stream");
        assert_eq!(answer(read).await.expect("an answer").0, 200);
    });
}

#[test]
fn what_has_not_changed_is_answered_without_a_length() {
    let site = Site::new();
    let server = site.setup().start();
    let admin = server.admin();
    admin
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    run(async {
        let mut requests = connection(&site, &server).await;
        let mut again = head("GET", &state_path("team/net"), Some(&admin));
        let any = "*".parse().expect("a value");
        again.headers_mut().insert("if-none-match", any);
        let (response, _) = requests.send_request(again, true).expect("a stream");
        let unchanged = response.await.expect("an answer");
        assert_eq!(unchanged.status().as_u16(), 304);
        // A length would be that of the state, which has not changed either.
        assert_eq!(unchanged.headers().get("content-length"), None);
        assert!(unchanged.headers().contains_key("etag"));
    });
}

#[test]
fn no_more_than_32_requests_are_under_way_on_a_connection() {
    let site = Site::new();
    let server = site.setup().start();
    let admin = server.admin();
    run(async {
        let mut requests = connection(&site, &server).await;
        let mut open = Vec::new();
        for number in 0..32 {
            let path = state_path(&format!("team/n{number}"));
            open.push(begin(&mut requests, head("POST", &path, Some(&admin))));
            requests = requests.ready().await.expect("ready");
        }
        let more = tokio::time::timeout(std::time::Duration::from_millis(300), requests.ready());
        let is_let = match more.await {
            Err(_) => false,
            Ok(requests) => {
                let mut requests = requests.expect("ready");
                let (response, _body) =
                    begin(&mut requests, head("POST", "/api/keys", Some(&admin)));
                let wait = std::time::Duration::from_millis(300);
                tokio::time::timeout(wait, answer(response))
                    .await
                    .is_ok_and(|answer| answer.is_ok())
            }
        };
        assert!(!is_let, "one more is under way");
    });
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let site = Site::new();
    let server = site.setup().start();
    run(async {
        let mut requests = connection(&site, &server).await;
        let mut large = head("GET", "/healthz", None);
        let value = "x".repeat(20_000).parse().expect("a value");
        large.headers_mut().insert("a", value);
        let (response, _) = requests.send_request(large, true).expect("a stream");
        match answer(response).await {
            Ok((status, _)) => assert_eq!(status, 431),
            Err(error) => assert!(error.is_remote() || error.is_reset(), "{error}"),
        }
    });
}

#[test]
fn a_client_that_begins_requests_only_to_give_them_up_is_ended() {
    let site = Site::new();
    let server = site.setup().start();
    let admin = server.admin();
    let is_ended = run(async {
        let mut requests = connection(&site, &server).await;
        for number in 0..2_000 {
            let path = state_path(&format!("team/n{number}"));
            let Ok((_response, mut body)) =
                requests.send_request(head("POST", &path, Some(&admin)), false)
            else {
                return true;
            };
            body.send_reset(Reason::CANCEL);
            match requests.ready().await {
                Ok(ready) => requests = ready,
                Err(_) => return true,
            }
            tokio::task::yield_now().await;
        }
        false
    });
    assert!(is_ended, "2,000 requests were given up");
    server.anonymous().get("/healthz").expect_status(200);
}

#[test]
fn requests_that_are_given_up_end_on_the_server_too() {
    let site = Site::new();
    let server = site.setup().start();
    let admin = server.admin();
    run(async {
        let mut requests = connection(&site, &server).await;
        let path = state_path("team/net");
        let (_response, mut body) = begin(&mut requests, head("POST", &path, Some(&admin)));
        let some = Bytes::from_static(b"{");
        body.send_data(some, false).expect("a piece");
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        body.send_reset(Reason::CANCEL);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let next = requests.ready().await.expect("the connection goes on");
        drop(next);
    });
    crate::harness::eventually("its end is counted", || {
        let gone = [("status", "499")];
        let scrape = Scrape::of(&server.admin());
        scrape.sum("statekeep_http_request_duration_seconds_count", &gone) >= 1
    });
    admin
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
}

#[test]
fn an_address_has_its_share_of_requests_over_http2() {
    let site = Site::new();
    // One address has 16 of 128.
    let server = site.setup().flag("--max-connections", "128").start();
    let admin = server.admin();
    let refused = run(async {
        let mut requests = connection(&site, &server).await;
        let mut open = Vec::new();
        for number in 0..16 {
            let path = state_path(&format!("team/n{number}"));
            open.push(begin(&mut requests, head("POST", &path, Some(&admin))));
            requests = requests.ready().await.expect("ready");
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let (response, _) = requests
            .send_request(head("GET", "/healthz", None), true)
            .expect("a stream");
        answer(response).await.expect("an answer")
    });
    assert_eq!(refused.0, 503, "{}", refused.1);
    assert!(refused.1.contains("too_many_connections"), "{}", refused.1);
}

#[test]
fn an_idle_connection_of_http2_is_ended_in_good_order() {
    let site = Site::new();
    let server = site.setup().flag("--idle-timeout", "1s").start();
    run(async {
        let mut requests = connection(&site, &server).await;
        let request = head("GET", "/healthz", None);
        let (response, _) = requests.send_request(request, true).expect("a stream");
        assert_eq!(answer(response).await.expect("an answer").0, 200);
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            match requests.ready().await {
                Ok(ready) => requests = ready,
                Err(error) => {
                    let is_plain_end = error.reason().is_none_or(|why| why == Reason::NO_ERROR);
                    assert!(is_plain_end, "{error}");
                    return;
                }
            }
        }
    });
}
