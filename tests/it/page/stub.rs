//! A server with prepared answers, for what the real one cannot be brought to say at will:
//! degraded, not ready, or nothing at all.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;

use super::{INDEX, POLICY, files, kind, part};

/// Prepared answers, by path. A path without one gets its connection cut.
pub(super) struct Stub {
    address: SocketAddr,
}

impl Stub {
    /// The page's own parts under their policy, and these answers to `/readyz`, one after the
    /// other; when they are used up, none.
    pub(super) fn page(readyz: &[(u16, &str)]) -> Self {
        let mut answers: HashMap<String, Vec<String>> = files()
            .into_iter()
            .map(|file| {
                let answer = answer(200, kind(&file), &part(&file));
                let path = if file == INDEX {
                    String::new()
                } else {
                    format!("assets/{file}")
                };
                (format!("/{path}"), vec![answer])
            })
            .collect();
        answers.insert(
            "/readyz".to_owned(),
            readyz
                .iter()
                .rev()
                .map(|(status, body)| answer(*status, "application/json", body))
                .collect(),
        );
        Self::start(answers)
    }

    /// One document under the page's policy.
    pub(super) fn document(html: &str) -> Self {
        Self::start(HashMap::from([(
            "/".to_owned(),
            vec![answer(200, "text/html", html)],
        )]))
    }

    /// One document of a stranger, who has no policy.
    pub(super) fn stranger(html: &str) -> Self {
        let open = answer(200, "text/html", html).replace(POLICY, "");
        Self::start(HashMap::from([("/".to_owned(), vec![open])]))
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    fn start(answers: HashMap<String, Vec<String>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let answers = std::sync::Arc::new(Mutex::new(answers));
        // Ends with the test binary. A thread for each connection, because a browser opens some
        // that it does not use.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answers = std::sync::Arc::clone(&answers);
                std::thread::spawn(move || serve(&stream, &answers));
            }
        });
        Self { address }
    }
}

fn serve(mut stream: &TcpStream, answers: &Mutex<HashMap<String, Vec<String>>>) {
    let head: Vec<String> = BufReader::new(stream)
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let path = head
        .first()
        .and_then(|line| line.split(' ').nth(1))
        .unwrap_or_default();
    let mut answers = answers.lock().expect("no other thread panicked");
    let prepared = answers.get_mut(path).and_then(|left| {
        if path == "/readyz" {
            left.pop()
        } else {
            left.first().cloned()
        }
    });
    if let Some(answer) = prepared {
        let _ = stream.write_all(answer.as_bytes());
    }
}

fn answer(status: u16, kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Prepared\r\nContent-Type: {kind}\r\nContent-Length: \
            {}\r\nContent-Security-Policy: {POLICY}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
