//! The rivals, each a process of its own: bare handlers that do next to nothing, and a loop that
//! does what a durable write needs one by one, with and without a bare handler before it.
//!
//! They are what a figure is measured against, so they are as good as they can be made without
//! becoming the product: the same actix-web with its own defaults, the same SQLite with the same
//! settings and tables, the same compression.

use std::io::{BufRead as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use actix_web::web::{self, Bytes};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rusqlite::{Connection, OpenFlags, params};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use sha2::Digest as _;
use statekeep::config::{Limits, TrustedProxies};
use statekeep::domain::Domain;
use statekeep::domain::engine::data_dir::{self, DirLock};
use statekeep::http::{self, Bindings};
use zstd::bulk::Compressor;

use crate::Res;
use crate::process::{ANY_PORT, COMPACTS_NOTHING, LISTENING};
use crate::states::Series;

/// A bare handler that answers a state from memory; its argument is the state's seed.
pub(crate) const ANSWERS: &str = "answers";
/// The same over TLS; its arguments are the state's seed, and the files of a certificate and a key.
pub(crate) const ANSWERS_OVER_TLS: &str = "answers-over-tls";
/// A bare handler that reads a body and does nothing with it.
pub(crate) const READS: &str = "reads";
/// A loop that commits one write after the other; its argument is a directory.
pub(crate) const COMMITS: &str = "commits";
/// A handler that commits one write after the other, as the loop does; its argument is a directory.
pub(crate) const COMMITS_OVER_HTTP: &str = "commits-over-http";
/// No rival, but a part: lines in the log as the server writes them for requests.
pub(crate) const LOGS: &str = "logs";

const TABLES: &str = include_str!("../../migrations/V1__keep_states.sql");
/// As in `store::connection`.
const SETTINGS: &str = "PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON; PRAGMA cache_size = \
    -2048; PRAGMA auto_vacuum = INCREMENTAL; \
    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA \
    wal_autocheckpoint = 1000; \
    PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY;";
/// As in `blob`.
const LEVEL: i32 = 1;
/// The loop's own state is none of the clients'.
const LOOP_SEED: u64 = 999_999;

/// Runs as a rival until the program that started it goes away.
pub(crate) fn run(args: &[String]) -> Res<()> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [ANSWERS, seed] => answers(seed.parse()?),
        [ANSWERS_OVER_TLS, seed, cert, key] => answers_over_tls(seed.parse()?, cert, key),
        [READS] => reads(),
        [COMMITS, dir] => commits(Path::new(dir)),
        [COMMITS_OVER_HTTP, dir] => commits_over_http(Path::new(dir)),
        [COMPACTS_NOTHING, data] => compacts_nothing(Path::new(data)),
        [LOGS] => logs(),
        _ => Err("there is no such rival".into()),
    }
}

fn answers(seed: u64) -> Res<()> {
    serve(answering(seed)?)
}

/// Answers each request with a state.
fn answering(seed: u64) -> Res<impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static> {
    let bytes = Bytes::copy_from_slice(Series::new(seed)?.next());
    Ok(move |config: &mut web::ServiceConfig| {
        let bytes = bytes.clone();
        config.default_service(web::to(move || {
            let answer = HttpResponse::Ok()
                .content_type("application/json")
                .body(bytes.clone());
            std::future::ready(answer)
        }));
    })
}

fn answers_over_tls(seed: u64, cert: &str, key: &str) -> Res<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(cert)?.collect();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain?, PrivateKeyDer::from_pem_file(key)?)?;
    let configure = answering(seed)?;
    let app = move || App::new().configure(configure.clone());
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(app).bind_rustls_0_23(("127.0.0.1", 0), config)?;
        let address = server.addrs().first().copied().ok_or("no address")?;
        println!("{LISTENING}{address}");
        Ok(server.run().await?)
    })
}

fn reads() -> Res<()> {
    serve(|config| {
        config.default_service(web::to(|body: Bytes| {
            drop(body);
            std::future::ready(HttpResponse::Ok().finish())
        }));
    })
}

fn serve(configure: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static) -> Res<()> {
    let app = move || App::new().configure(configure.clone());
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(app).bind(("127.0.0.1", 0))?;
        let address = server.addrs().first().copied().ok_or("no address")?;
        println!("{LISTENING}{address}");
        Ok(server.run().await?)
    })
}

/// The server with its defaults, but for what it does by itself.
fn compacts_nothing(data: &Path) -> Res<()> {
    let _log = statekeep::telemetry::init(statekeep::telemetry::LogFormat::Json, "info");
    data_dir::make(data)?;
    http::block_on(async {
        let domain = Domain::open(DirLock::take(data)?, Limits::default())?;
        domain.keys().first_admin(true).await?;
        let socket = http::bind_socket(data, data_dir::SOCKET)?;
        let tcp = TcpListener::bind(ANY_PORT)?;
        let running = http::start(
            &domain,
            TrustedProxies::default(),
            Bindings {
                tcp: Some(tcp),
                tls: None,
                metrics: None,
                socket,
                workers: None,
            },
        )?;
        println!("{LISTENING}{}", running.address.ok_or("no address")?);
        std::future::pending().await
    })
}

/// Answers each line that comes, a number of lines in the log, with how many seconds they took.
fn logs() -> Res<()> {
    let _log = statekeep::telemetry::init(statekeep::telemetry::LogFormat::Json, "info");
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let wanted: usize = line?.trim().parse()?;
        let (path, key, id) = (
            "/api/terraform/state/workspace/bench/buildingblock/read",
            "admin",
            "67e55044-10b1-426f-9247-bb680e5fe0c8",
        );
        let began = Instant::now();
        for _ in 0..wanted {
            let duration_ms = std::hint::black_box(0.123);
            tracing::info!(
                target: "statekeep::http::trace",
                method = "GET", path, status = 200, duration_ms, key, request_id = id,
                address = "127.0.0.1", "request"
            );
        }
        println!("{}", began.elapsed().as_secs_f64());
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// What a version's row has of the state's own words.
#[derive(Deserialize)]
struct Head {
    version: u32,
    serial: i64,
    lineage: String,
    terraform_version: String,
}

/// A database with one state, and what is needed to commit versions of it one by one.
struct OneByOne {
    connection: Connection,
    compressor: Compressor<'static>,
    number: i64,
}

impl OneByOne {
    fn open(dir: &Path) -> Res<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(dir.join("loop.db"), flags)?;
        connection.execute_batch(SETTINGS)?;
        connection.execute_batch(TABLES)?;
        connection.execute(
            "INSERT INTO states VALUES (1, 'bench', 'loop', NULL, 0, 0, 0, 0, NULL)",
            [],
        )?;
        Ok(Self {
            connection,
            compressor: Compressor::new(LEVEL)?,
            number: 0,
        })
    }

    fn commit(&mut self, body: &[u8], md5: &str) -> Res<()> {
        self.number += 1;
        if STANDARD.decode(md5)? != md5::Md5::digest(body).as_slice() {
            return Err("not the body that was sent".into());
        }
        let head: Head = serde_json::from_slice(body)?;
        let sha256 = sha2::Sha256::digest(body);
        let frame = self.compressor.compress(body)?;
        let (connection, number) = (&self.connection, self.number);
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let blob = "INSERT INTO blobs (id, digest, format, size, stored, frame) VALUES (?1, ?2, 1, \
            ?3, ?4, ?5)";
        let (size, stored) = (i64::try_from(body.len())?, i64::try_from(frame.len())?);
        connection.prepare_cached(blob)?.execute(params![
            number,
            sha256.as_slice(),
            size,
            stored,
            frame
        ])?;
        let version = "INSERT INTO versions (state_id, number, blob_id, sha256, size, format, \
            serial, lineage, terraform_version, resources, encrypted, \
            kind, intermediate, created_at, created_by, created_by_name, address) \
            VALUES (1, ?1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, 34, 0, 'write', 0, 0, 'admin', 'admin', \
            '127.0.0.1')";
        let row = params![
            number,
            sha256.as_slice(),
            size,
            head.version,
            head.serial,
            head.lineage,
            head.terraform_version
        ];
        connection.prepare_cached(version)?.execute(row)?;
        connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }
}

/// Answers each line that comes, a number of writes, with how many seconds they took.
fn commits(dir: &Path) -> Res<()> {
    let mut one_by_one = OneByOne::open(dir)?;
    let mut series = Series::new(LOOP_SEED)?;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let wanted: usize = line?.trim().parse()?;
        let bodies: Vec<(Vec<u8>, String)> = (0..wanted)
            .map(|_| {
                let body = series.next().to_vec();
                let md5 = STANDARD.encode(md5::Md5::digest(&body));
                (body, md5)
            })
            .collect();
        let began = Instant::now();
        for (body, md5) in &bodies {
            one_by_one.commit(body, md5)?;
        }
        println!("{}", began.elapsed().as_secs_f64());
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn commits_over_http(dir: &Path) -> Res<()> {
    let one_by_one = Arc::new(Mutex::new(OneByOne::open(dir)?));
    serve(move |config| {
        let one_by_one = Arc::clone(&one_by_one);
        config.default_service(web::to(move |request: HttpRequest, body: Bytes| {
            commit_body(Arc::clone(&one_by_one), request, body)
        }));
    })
}

async fn commit_body(
    one_by_one: Arc<Mutex<OneByOne>>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let md5 = request
        .headers()
        .get("content-md5")
        .and_then(|md5| md5.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let commit = move || {
        one_by_one
            .lock()
            .is_ok_and(|mut one_by_one| one_by_one.commit(&body, &md5).is_ok())
    };
    match web::block(commit).await {
        Ok(true) => HttpResponse::Ok().finish(),
        _ => HttpResponse::InternalServerError().finish(),
    }
}
