//! The key set of an issuer at an address: asked seldom, bounded, and over TLS only by those whom
//! the server trusts.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::issuer::{Issuer, Signer};
use super::{make, refused};
use crate::harness::{Server, Setup, eventually_within};
use crate::tls::authority::Authority;

/// What an issuer publishes: how often it was asked, and what it answers.
#[derive(Clone, Default)]
struct Published {
    asked: Arc<AtomicUsize>,
    answer: Arc<Mutex<String>>,
}

impl Published {
    fn set(&self, body: &str) {
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n");
        *self.answer.lock() = format!("{head}\r\n{body}");
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Publishes on loopback, in clear or with TLS; the address.
    fn on(&self, tls: Option<Arc<ServerConfig>>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let published = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                published.answer(stream.expect("a connection"), tls.as_ref());
            }
        });
        format!("{scheme}://localhost:{port}/keys")
    }

    fn answer(&self, mut stream: TcpStream, tls: Option<&Arc<ServerConfig>>) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let (mut head, answer) = ([0; 4096], self.answer.lock().clone());
        if let Some(tls) = tls {
            let connection = ServerConnection::new(Arc::clone(tls)).expect("a connection");
            let mut stream = StreamOwned::new(connection, stream);
            // A client that trusts another authority hangs up.
            if stream.read(&mut head).is_ok() {
                let _ = stream.write_all(answer.as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
            return;
        }
        let _ = stream.read(&mut head);
        let _ = stream.write_all(answer.as_bytes());
    }
}

/// A trust whose keys are at an address.
fn at(issuer: &Issuer, url: &str) -> Value {
    let mut trust = issuer.trust("gitlab");
    trust["jwks_url"] = json!(url);
    trust["jwks_file"] = Value::Null;
    trust
}

#[test]
fn an_address_is_asked_once_for_any_number_of_tokens() {
    let (server, issuer, published) = (Server::start(), Issuer::new(), Published::default());
    published.set(&issuer.key_set().to_string());
    let trust = make(&server, &at(&issuer, &published.on(None)));
    assert!(trust["jwks_url"].is_string() && trust["jwks_file"].is_null());
    for signer in Signer::ALL {
        let caller = server.with(&issuer.token_by(signer, &json!({})));
        caller.get("/api/whoami").expect_status(200);
    }
    let claims = Issuer::claims(&json!({})).to_string();
    let unknown = issuer.signed(Signer::Rsa, r#"{"alg":"RS256","kid":"new"}"#, &claims);
    for _ in 0..20 {
        let answer = server.with(&unknown).get("/api/whoami");
        assert!([401, 429].contains(&answer.status.as_u16()));
    }
    refused(&server, "id_token_unknown_key");
    assert_eq!(
        published.asked(),
        2,
        "when it was made, and when it was needed"
    );
}

#[test]
#[ignore = "middle tier: an address is asked once a minute"]
fn a_key_that_an_issuer_takes_anew_is_fetched_within_a_minute() {
    let (server, issuer, published) = (Server::start(), Issuer::new(), Published::default());
    let mut old = issuer.key_set();
    old["keys"][0]["kid"] = json!("rsa-0");
    published.set(&old.to_string());
    make(&server, &at(&issuer, &published.on(None)));
    let status = || {
        server
            .with(&issuer.token(&json!({})))
            .get("/api/whoami")
            .status
    };
    assert_eq!(status(), 401);
    published.set(&issuer.key_set().to_string());
    let patience = std::time::Duration::from_mins(3);
    eventually_within(patience, "the new key is fetched", || {
        std::thread::sleep(std::time::Duration::from_secs(1));
        status() == 200
    });
    assert_eq!(published.asked(), 3);
    // What cannot be fetched again counts on.
    published.set("nothing");
    assert_eq!(status(), 200);
}

#[test]
fn what_is_no_key_set_makes_no_trust() {
    let (server, issuer, published) = (Server::start(), Issuer::new(), Published::default());
    let url = published.on(None);
    let why = |url: &str| {
        let answer = server.admin().post_json("/api/trusts", &at(&issuer, url));
        let problem = answer.expect_problem(400, "bad_request").json();
        problem["detail"].as_str().expect("a text").to_owned()
    };
    for (body, expected) in [
        ("{}".to_owned(), "no JWK set"),
        ("SECRET".to_owned(), "no JWK set"),
        ("x".repeat(256 * 1024 + 1), "more than 262144 bytes"),
    ] {
        published.set(&body);
        let told = why(&url);
        assert!(
            told.contains(expected) && !told.contains("SECRET"),
            "{told}"
        );
    }
    let head = "HTTP/1.1 302 Found\r\nlocation: /other\r\nconnection: close\r\n";
    *published.answer.lock() = format!("{head}content-length: 0\r\n\r\n");
    let told = why(&url);
    assert!(
        told.contains("answered 302"),
        "no redirect is followed: {told}"
    );
    for bad in [
        "http://gitlab.example.com/keys",
        "http://localhost.example/keys",
        "http://127.0.0.1@evil.example/keys",
        "https://user:secret@gitlab.example.com/keys",
        "https:///keys",
        "file:///etc/passwd",
        "ftp://localhost/keys",
        "https://gitlab.example.com/a b",
        "",
    ] {
        let told = why(bad);
        assert!(told.contains("has to begin with https://"), "{bad}: {told}");
    }
    let mut both = at(&issuer, &url);
    both["jwks_file"] = json!(issuer.file());
    let answer = server.admin().post_json("/api/trusts", &both);
    answer.expect_problem(400, "bad_request");
}

#[test]
fn an_issuer_behind_tls_is_believed_under_an_authority_that_was_named() {
    let (issuer, published, authority) = (Issuer::new(), Published::default(), Authority::new());
    published.set(&issuer.key_set().to_string());
    let pair = authority.server(1);
    let url = published.on(Some(pair.served()));

    let server = Server::start();
    let answer = server.admin().post_json("/api/trusts", &at(&issuer, &url));
    let told = answer.expect_problem(400, "bad_request").text();
    assert!(told.contains("--issuer-ca-file"), "{told}");

    let file = issuer.file().with_file_name("ca.pem");
    std::fs::write(&file, authority.pem()).expect("a file");
    let path = file.to_str().expect("UTF-8");
    let server = Setup::new().flag("--issuer-ca-file", path).start();
    make(&server, &at(&issuer, &url));
    let caller = server.with(&issuer.token(&json!({})));
    caller.get("/api/whoami").expect_status(200);

    std::fs::write(&file, "nothing").expect("a file");
    let refused = Setup::new().flag("--issuer-ca-file", path).try_start();
    let told = refused.err().expect("it does not start");
    assert!(told.contains("there is no certificate in it"), "{told}");
}
