//! `examples/proxy`: each proxy with the example's own file in front of a real server, and a real
//! client behind it: TLS, all methods, large bodies, the client's address, and no redirect.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use reqwest::blocking::RequestBuilder;
use serde_json::json;
use tempfile::TempDir;

use super::{SITE, STATE, Tools, text, with};
use crate::answer::Answer;
use crate::clients::Program;
use crate::clients::run::Running;
use crate::harness::{Client, Server, Setup, eventually, kill, lock_body, state_path};
use crate::harness::{resource, tfstate_with};
use crate::skip;

/// What the examples say.
const CERTIFICATE: &str = "/etc/ssl/certs/state.example.net.pem";
const CERTIFICATE_KEY: &str = "/etc/ssl/private/state.example.net.key";
const UPSTREAM: &str = "127.0.0.1:8680";
const NAME: &str = "state.example.net";

/// An address that the clients of these tests come from, and the proxies do not.
const CLIENT: [u8; 4] = [127, 0, 0, 2];

#[test]
fn nginx() {
    let nginx = skip::program("nginx", "STATEKEEP_NGINX");
    stands_before_the_server(nginx.as_deref(), |nginx, site| {
        let (https, http) = (
            format!("listen {} ssl", site.https),
            format!("listen {}", site.http),
        );
        site.write(
            "nginx.conf",
            &[("listen 443 ssl", &https), ("listen 80", &http)],
        );
        let dir = site.dir.path().display();
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let paths = paths.map(|path| format!("{path}_temp_path {dir}/{path};"));
        let frame = format!(
            "daemon off; master_process off; pid {dir}/pid; error_log stderr; events {{}}\n\
             http {{ access_log off; {} include {dir}/site; }}\n",
            paths.concat()
        );
        std::fs::write(site.dir.path().join("frame"), frame).expect("a file");
        let mut command = Command::new(nginx);
        command
            .arg("-p")
            .arg(site.dir.path())
            .args(["-e", "stderr", "-c", "frame"]);
        command
    });
}

#[test]
fn caddy() {
    let caddy = skip::program("caddy", "STATEKEEP_CADDY");
    stands_before_the_server(caddy.as_deref(), |caddy, site| {
        let port = |address: &str| address.rsplit_once(':').expect("a port").1.to_owned();
        let global = "auto_https disable_redirects";
        let more = format!(
            "{global}\n\tadmin off\n\tdefault_bind 127.0.0.1\n\thttps_port {}\n\thttp_port {}",
            port(&site.https),
            port(&site.http)
        );
        site.write("Caddyfile", &[(global, &more)]);
        let mut command = Command::new(caddy);
        command.args(["run", "--adapter", "caddyfile", "--config", "site"]);
        // Where it keeps what it makes.
        for home in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            command.env(home, site.dir.path());
        }
        command
    });
}

#[test]
fn apache() {
    const MODULES: &str = "/usr/lib/apache2/modules";
    let apache = skip::program("apache2", "STATEKEEP_APACHE");
    stands_before_the_server(apache.as_deref(), |apache, site| {
        let (https, http) = (site.https.as_str(), site.http.as_str());
        let page = text("proxy/apache.conf");
        assert!(
            page.contains("a2enmod ssl proxy_http"),
            "the modules that are loaded below"
        );
        let hosts = [https, http].map(|address| format!("<VirtualHost {address}>"));
        let replaced = [
            ("<VirtualHost *:443>", &*hosts[0]),
            ("<VirtualHost *:80>", &*hosts[1]),
        ];
        site.write("apache.conf", &replaced);
        let dir = site.dir.path().display();
        let modules = ["mpm_event", "authz_core", "ssl", "proxy", "proxy_http"];
        let modules =
            modules.map(|name| format!("LoadModule {name}_module {MODULES}/mod_{name}.so\n"));
        // A process of root works as another user.
        let frame = format!(
            "ServerRoot {dir}\nServerName localhost\nPidFile {dir}/pid\nErrorLog {dir}/log\n\
             DefaultRuntimeDir {dir}\n{}User nobody\nGroup nogroup\nListen {https}\nListen {http}\n\
             Include {dir}/site\n",
            modules.concat()
        );
        std::fs::write(site.dir.path().join("frame"), frame).expect("a file");
        let mut command = Command::new(apache);
        command
            .arg("-f")
            .arg(site.dir.path().join("frame"))
            .arg("-DFOREGROUND");
        command
    });
}

/// A server, a certificate, two free ports, and the example's file for them.
struct Site {
    server: Server,
    dir: TempDir,
    https: String,
    http: String,
}

impl Site {
    fn new() -> Self {
        let server = Setup::new().flag("--trusted-proxy", "127.0.0.1/32").start();
        let dir = TempDir::new().expect("a directory");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let made = made.expect("a certificate");
        std::fs::write(dir.path().join("certificate"), made.cert.pem()).expect("a file");
        std::fs::write(dir.path().join("key"), made.signing_key.serialize_pem()).expect("a file");
        Self {
            server,
            dir,
            https: free_address(),
            http: free_address(),
        }
    }

    /// Writes the example's file as `site`, with this site's names in the place of its own.
    fn write(&self, file: &str, replaced: &[(&str, &str)]) {
        let [certificate, key] = ["certificate", "key"].map(|file| self.dir.path().join(file));
        let page = with(&text(&format!("proxy/{file}")), replaced);
        let page = with(
            &page,
            &[
                (CERTIFICATE, certificate.to_str().expect("UTF-8")),
                (CERTIFICATE_KEY, key.to_str().expect("UTF-8")),
                (UPSTREAM, self.server.address()),
                (NAME, "localhost"),
            ],
        );
        std::fs::write(self.dir.path().join("site"), page).expect("a file");
    }

    /// `https://localhost:PORT`.
    fn url(&self) -> String {
        let (_, port) = self.https.rsplit_once(':').expect("a port");
        format!("https://localhost:{port}")
    }

    /// A request through the proxy, from [`CLIENT`].
    fn request(&self, secret: &str, method: &str, path: &str) -> RequestBuilder {
        let pem = std::fs::read(self.dir.path().join("certificate")).expect("a file");
        let pem = reqwest::Certificate::from_pem(&pem).expect("a certificate");
        let client = reqwest::blocking::Client::builder()
            .no_proxy()
            .add_root_certificate(pem);
        let client = client.redirect(reqwest::redirect::Policy::none());
        let client = client.local_address(std::net::IpAddr::from(CLIENT));
        let method = method.parse::<reqwest::Method>().expect("a method");
        let client = client.build().expect("a client");
        client
            .request(method, format!("{}{path}", self.url()))
            .basic_auth("x", Some(secret))
    }
}

/// A proxy that runs; it and what it has started end with it.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        kill("TERM", self.0.id());
        let _ = self.0.wait();
    }
}

/// Everything that the examples promise, for one proxy; nothing where it is not installed.
fn stands_before_the_server(program: Option<&Path>, command: fn(&Path, &Site) -> Command) {
    let (Some(program), Some(client)) = (program, Program::terraform()) else {
        return;
    };
    let site = Site::new();
    let mut command = command(program, &site);
    let log = std::fs::File::create(site.dir.path().join("log")).expect("a file");
    command
        .current_dir(site.dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    // A group of its own, so that a signal to the tests' own group is not taken twice.
    let _proxy = Proxy(command.process_group(0).spawn().expect("the proxy starts"));
    let log = || std::fs::read_to_string(site.dir.path().join("log")).unwrap_or_default();
    for address in [&site.https, &site.http] {
        eventually(
            &format!("the proxy listens at {address}: {}", log()),
            || TcpStream::connect(address).is_ok(),
        );
    }

    terraform_works(&site, &client);
    methods_bodies_and_addresses_pass(&site);
    port_80_never_redirects(&site);
}

fn terraform_works(site: &Site, program: &Program) {
    let dir = TempDir::new().expect("a directory");
    let main = with(&text("module/network/main.tf"), &[(SITE, &site.url())]);
    std::fs::write(dir.path().join("main.tf"), main).expect("a file");
    let tools = Tools::of(program);
    let writer = site.server.key("team-a", "writer");
    let terraform = |script: &str| {
        let mut shell = tools.shell(dir.path(), script);
        shell.env("SSL_CERT_FILE", site.dir.path().join("certificate"));
        shell
            .env("TF_HTTP_USERNAME", "x")
            .env("TF_HTTP_PASSWORD", writer.secret());
        Running::spawn(shell).wait()
    };
    terraform("terraform init && terraform apply -auto-approve")
        .ok()
        .says("1 added");
    let versions = site.server.admin().versions(STATE);
    assert_eq!(versions.len(), 1, "{versions:?}");
    assert!(
        versions[0]["lock"].is_object(),
        "LOCK did not pass: {versions:?}"
    );
    site.server.admin().expect_unlocked(STATE);

    site.server
        .admin()
        .lock(STATE, "another-lock")
        .expect_status(200);
    terraform("terraform plan").fails().says("another-lock");
    // Its body is empty and comes in chunks.
    terraform("terraform force-unlock -force another-lock").ok();
    site.server.admin().expect_unlocked(STATE);
}

fn methods_bodies_and_addresses_pass(site: &Site) {
    let writer = site.server.key("team-a", "owner");
    let path = state_path("team-a/large");
    let send = |method: &str, path: &str, body: String| -> Answer {
        Client::ask(site.request(writer.secret(), method, path).body(body))
    };
    send("LOCK", &path, lock_body("a")).expect_status(200);
    let resources = json!([resource("managed", "terraform_data", "x", 100_000)]);
    let body = tfstate_with("00000001-1111-4111-8111-111111111111", 1, "", &resources);
    assert!(body.len() > 8 << 20, "{} bytes", body.len());
    send("POST", &format!("{path}?ID=a"), body.clone()).expect_status(200);
    let read = send("GET", &path, String::new()).expect_status(200);
    assert!(
        read.bytes == body.as_bytes(),
        "other bytes than were written"
    );
    send("UNLOCK", &path, lock_body("a")).expect_status(200);
    send("DELETE", &path, String::new()).expect_status(200);

    let events = site.server.admin().events("kind=state.write");
    let address = std::net::IpAddr::from(CLIENT).to_string();
    assert!(
        events.iter().any(|event| event["address"] == address),
        "{events:?}"
    );
}

fn port_80_never_redirects(site: &Site) {
    let client = reqwest::blocking::Client::builder().no_proxy();
    let client = client
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client");
    let (_, port) = site.http.rsplit_once(':').expect("a port");
    let url = format!("http://localhost:{port}{}", state_path(STATE));
    let answer = Answer::of(client.get(url).send().expect("an answer"));
    let answer = answer.expect_status(403);
    assert_eq!(answer.header("location"), "");
}

/// An address of this machine at which nothing listens yet.
pub(super) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}
