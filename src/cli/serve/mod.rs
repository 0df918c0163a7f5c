//! `statekeep serve`: from flags to a server that runs, and from a signal to one that has left in
//! good order.

mod check;
mod hooks;
mod issuers;
mod limits;
mod listen;
mod service_manager;
mod tls;

use std::io::IsTerminal as _;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::cli::client::network::address;
use crate::cli::common::folders::refuse_overlap;
use crate::cli::common::storage_keys::StorageKeyArgs;
use crate::cli::output::{self, CliError};
use crate::cli::serve::hooks::{Askers, HookArgs};
use crate::cli::serve::issuers::IssuerArgs;
use crate::cli::serve::limits::LimitArgs;
use crate::cli::serve::listen as listening;
use crate::cli::serve::tls::TlsArgs;
use crate::config::{Config, DEFAULT_DATA, DEFAULT_LISTEN, TrustedProxies, variable_behind};
use crate::domain::Domain;
use crate::domain::auth::keys::WithSecret;
use crate::domain::engine::data_dir;
use crate::domain::engine::data_dir::DirError;
use crate::domain::engine::data_dir::DirLock;
use crate::domain::engine::data_dir::SOCKET;
use crate::domain::status::tls::ServedCertificate;
use crate::http::{self, Bindings, RunningServer, Tls};
use crate::model::clock;
use crate::model::confirmed::Confirmed;
use crate::model::on_loss::OnLoss;
use crate::telemetry::{self, Log, LogFormat};

/// A signal that comes so soon after the first is the same one, sent to the process and to its
/// group. A later one means now.
const SIGNALS_MEANT_AS_ONE: Duration = Duration::from_secs(1);

/// How long a start waits for a command that has the data directory, and how often it looks.
const WAITS_FOR_A_COMMAND: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(25);

#[derive(Args)]
pub(super) struct ServeArgs {
    /// The address and port to listen on; port 0 picks one
    #[arg(
        long,
        env = "STATEKEEP_LISTEN",
        default_value = DEFAULT_LISTEN,
        value_name = "ADDR:PORT",
        value_parser = listening::parse
    )]
    listen: SocketAddr,
    /// How clients reach this server, if not at the address that it listens on
    #[arg(long, env = "STATEKEEP_BASE_URL", value_name = "URL")]
    base_url: Option<String>,
    /// A network whose X-Forwarded-For is trusted; separate several by commas
    #[arg(
        long,
        env = "STATEKEEP_TRUSTED_PROXY",
        value_name = "CIDR",
        value_delimiter = ',',
        value_parser = network
    )]
    trusted_proxy: Vec<IpNet>,
    #[command(flatten)]
    tls: TlsArgs,
    /// A loopback address where /metrics needs no key, for a Prometheus on this machine
    #[arg(
        long,
        env = "STATEKEEP_METRICS_LISTEN",
        value_name = "ADDR:PORT",
        value_parser = listening::parse_loopback
    )]
    metrics_listen: Option<SocketAddr>,
    /// How log lines look
    #[arg(long, env = "STATEKEEP_LOG_FORMAT", value_enum, default_value_t = FormatArg::Auto)]
    log_format: FormatArg,
    /// The least important log lines that are written
    #[arg(long, env = "STATEKEEP_LOG_LEVEL", value_enum, default_value_t = LevelArg::Info)]
    log_level: LevelArg,
    #[command(flatten)]
    confirmed: ConfirmedArgs,
    /// Tell what a start would do, and change nothing: whether it would start, and upgrade
    #[arg(long, conflicts_with_all = ["accept_loss", "restored", "new_row_key"])]
    check: bool,
    /// A folder that holds the current version of each state as a file, in clear, for the hour in
    /// which no server runs
    #[arg(long, env = "STATEKEEP_MIRROR_DIR", value_name = "DIR")]
    mirror_dir: Option<PathBuf>,
    /// A file that gets each event as a JSON line, for a program that carries them elsewhere
    #[arg(long, env = "STATEKEEP_EVENTS_FILE", value_name = "FILE")]
    events_file: Option<PathBuf>,
    #[command(flatten)]
    storage_keys: StorageKeyArgs,
    #[command(flatten)]
    issuers: IssuerArgs,
    #[command(flatten)]
    hooks: HookArgs,
    #[command(flatten)]
    limits: LimitArgs,
    /// The data directory; created with mode 0700 if it is missing
    #[arg(long, env = "STATEKEEP_DATA", default_value = DEFAULT_DATA, value_name = "DIR")]
    data: PathBuf,
}

/// What a person confirms, so that a start goes on which is otherwise refused.
#[derive(Args)]
struct ConfirmedArgs {
    /// Start although acknowledged writes are missing; without this, the server then refuses
    #[arg(long, conflicts_with = "restored")]
    accept_loss: bool,
    /// Start on data restored from a replica, which may end before the anchor
    #[arg(long)]
    restored: bool,
    /// Confirm a new key for the hashes of rows, because the old one is lost: all rows are believed
    /// as they stand, once
    #[arg(long)]
    new_row_key: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatArg {
    /// Text on a terminal, JSON lines otherwise
    Auto,
    /// Text
    Text,
    /// JSON lines
    Json,
}

#[derive(Clone, Copy, ValueEnum)]
enum LevelArg {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<std::net::IpAddr>().map(IpNet::from);
    text.parse::<IpNet>()
        .or_else(|_| address())
        .map_err(|_| "not an address or network, such as 10.0.0.0/8".to_owned())
}

impl ServeArgs {
    fn config(&self) -> Result<Config, CliError> {
        let mut limits = self.limits.checked().map_err(|bad| {
            let variable = variable_behind(bad.flag)
                .map(|name| format!(" (its value comes from the variable {name})"));
            CliError::Usage(format!("{bad}{}", variable.unwrap_or_default()))
        })?;
        limits.storage_keys = self.storage_keys.keys()?;
        limits.mirror_dir.clone_from(&self.mirror_dir);
        limits.events_file.clone_from(&self.events_file);
        let backups = limits.backups.as_ref().map(|backups| backups.dir.as_path());
        let mirror = limits.mirror_dir.as_deref();
        let others = [
            ("--backup-dir", backups),
            ("--mirror-dir", mirror),
            ("--events-file", limits.events_file.as_deref()),
        ];
        for (flag, place) in others {
            if let Some(folder) = place {
                refuse_overlap(&self.data, flag, folder)?;
            }
        }
        let base_url = self
            .base_url
            .as_ref()
            .map(|url| address("--base-url", url))
            .transpose()?;
        Ok(Config {
            data: self.data.clone(),
            listen: self.listen,
            base_url,
            tls: self.tls.files(),
            trusted_proxies: TrustedProxies::new(self.trusted_proxy.clone()),
            limits,
        })
    }

    const fn confirmed(&self) -> Confirmed {
        let on_loss = match (self.confirmed.accept_loss, self.confirmed.restored) {
            (true, _) => OnLoss::Accept,
            (false, true) => OnLoss::Restored,
            (false, false) => OnLoss::Refuse,
        };
        Confirmed {
            on_loss,
            new_row_key: self.confirmed.new_row_key,
        }
    }

    fn start_logging(&self) -> Log {
        let format = match self.log_format {
            FormatArg::Auto => LogFormat::Auto,
            FormatArg::Text => LogFormat::Text,
            FormatArg::Json => LogFormat::Json,
        };
        let level = match self.log_level {
            LevelArg::Error => "error",
            LevelArg::Warn => "warn",
            LevelArg::Info => "info",
            LevelArg::Debug => "debug",
            LevelArg::Trace => "trace",
        };
        let level = match (output::is_quiet(), output::is_verbose()) {
            (true, _) => "warn",
            (_, true) => "debug",
            (false, false) => level,
        };
        telemetry::init(format, level)
    }
}

/// Runs the server until a signal or a fault of the disk ends it.
pub(super) fn run(args: &ServeArgs) -> Result<(), CliError> {
    // Before any other file is opened, and any thread runs.
    let given = service_manager::listener()?;
    let config = args.config()?;
    let _log = args.start_logging();
    let tls = config.tls.clone().map(Tls::open).transpose();
    let tls = tls.map_err(CliError::because)?;
    if args.check {
        return check::run(&config);
    }
    let askers = Askers::of(&args.issuers, &args.hooks)?;
    data_dir::make(&config.data).map_err(CliError::because)?;
    let mut dir = take(&config.data)?;
    dir.confirm(args.confirmed());
    let tcp = given.map_or_else(|| listening::bind("--listen", config.listen), Ok)?;
    let metrics = args.metrics_listen;
    let metrics = metrics.map(|address| listening::bind("--metrics-listen", address));
    let listeners = Listeners {
        clients: tcp,
        metrics: metrics.transpose()?,
    };
    http::block_on(serve(config, dir, (listeners, askers), tls))
}

/// What the server listens on for others.
struct Listeners {
    clients: TcpListener,
    metrics: Option<TcpListener>,
}

/// Takes the data directory. A command that has it will soon be done and is waited for; a server is
/// not.
fn take(dir: &Path) -> Result<DirLock, CliError> {
    let end = clock::monotonic() + WAITS_FOR_A_COMMAND;
    let mut was_told = false;
    loop {
        match DirLock::take(dir) {
            Err(DirError::InUse { holder, .. }) if !is_served(dir) && clock::monotonic() < end => {
                if !was_told {
                    tracing::info!(
                        holder,
                        "another statekeep command uses the data directory; waiting until it is \
                            done"
                    );
                    was_told = true;
                }
                std::thread::sleep(LOOK_EVERY);
            }
            taken => return taken.map_err(CliError::because),
        }
    }
}

/// Whether a server answers on the directory's socket.
fn is_served(dir: &Path) -> bool {
    http::reachable_path(dir, SOCKET).is_ok_and(|(path, _open)| UnixStream::connect(path).is_ok())
}

async fn serve(
    mut config: Config,
    dir: DirLock,
    (listeners, askers): (Listeners, Askers),
    tls: Option<(Arc<Tls>, ServedCertificate)>,
) -> Result<(), CliError> {
    let mut signals = Signals::new()?;
    config.limits.max_connections = http::allow_connections(config.limits.max_connections);
    service_manager::tell_status("opening the data directory");
    let show_key_here = std::io::stderr().is_terminal();
    let has_old_key = dir.has_initial_key();
    let (domain, admin) = open(dir, &config, show_key_here).await?;
    askers.ask_for(&domain);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let exchange = tls
        .as_ref()
        .map(|(tls, _)| Arc::clone(tls).keep_for(&domain));
    let exchange = exchange.transpose()?.map(tokio::spawn);
    let bindings = Bindings {
        tcp: Some(listeners.clients),
        metrics: listeners.metrics,
        tls: tls.map(|(tls, served)| {
            domain.status().serves_certificate(served);
            tls
        }),
        socket: http::bind_socket(&config.data, SOCKET)?,
        workers: None,
    };
    let running = http::start(&domain, config.trusted_proxies.clone(), bindings)?;
    let address = running.address.unwrap_or(config.listen);
    let url = format!("{scheme}://{address}");
    let base_url = config.base_url.as_deref().unwrap_or(&url);
    domain.status().set_base_url(base_url);
    let backups = tokio::spawn(back_up_when_asked(Arc::clone(&domain))?);
    let kept_up = Arc::clone(&domain);
    let upkeep = tokio::spawn(async move { Box::pin(kept_up.upkeep().run()).await });
    if has_old_key && admin.is_none() {
        warn_of_initial_key(&config.data);
    }
    announce(&config, address, admin.as_ref(), show_key_here)?;
    if let Some(address) = running.metrics_address {
        tracing::info!(%address, "metrics need no key there");
    }
    output::line(&format!("listening on {url}"))?;
    let telling = tokio::spawn(service_manager::keep_telling(Arc::clone(&domain), url));
    let fault = until_asked(&mut signals, &domain).await;
    telling.abort();
    service_manager::tell_of_the_end();
    // Files that are gone did not end the server, and its end has to say that they are.
    let fault = fault.or_else(|| domain.engine().fault());
    stop(running).await?;
    upkeep.abort();
    backups.abort();
    exchange.iter().for_each(JoinHandle::abort);
    if fault.is_none() {
        domain.upkeep().end().await;
    }
    domain.close().await;
    let _ = std::fs::remove_file(config.data.join(SOCKET));
    tracing::info!("left");
    fault.map_or(Ok(()), |fault| Err(CliError::Failed(fault)))
}

/// Opens the data directory, and creates the admin key of a first start.
async fn open(
    dir: DirLock,
    config: &Config,
    show_key_here: bool,
) -> Result<(Arc<Domain>, Option<WithSecret>), CliError> {
    let domain = Domain::open(dir, config.limits.clone()).map_err(CliError::because)?;
    let begun = domain.upkeep().begin().await;
    begun.map_err(CliError::because)?;
    let admin = domain.keys().first_admin(!show_key_here).await;
    Ok((domain, admin.map_err(CliError::because)?))
}

/// Makes a backup at each SIGUSR1, which is caught from now on.
fn back_up_when_asked(domain: Arc<Domain>) -> std::io::Result<impl Future<Output = ()>> {
    let mut asked = signal(SignalKind::user_defined1())?;
    Ok(async move {
        while asked.recv().await.is_some() {
            domain.backups().make_one_now();
        }
    })
}

/// Waits until a signal or a fault of the disk ends the server, and gives the fault.
async fn until_asked(signals: &mut Signals, domain: &Domain) -> Option<String> {
    tokio::select! {
        name = signals.next() => {
            tracing::info!(signal = name, "stopping; requests under way are finished first");
            None
        }
        fault = domain.engine().broken() => {
            tracing::error!(fault, "stopping, because the content of the disk is unknown until \
                the server is started again");
            Some(fault)
        }
    }
}

/// Finishes the requests under way, unless a second signal comes.
async fn stop(running: RunningServer) -> Result<(), CliError> {
    let again = async {
        tokio::time::sleep(SIGNALS_MEANT_AS_ONE).await;
        Ok::<_, std::io::Error>(Signals::new()?.next().await)
    };
    tokio::select! {
        stopped = running.stop() => Ok(stopped?),
        Ok(name) = again => Err(CliError::Failed(format!(
            "a second signal ({name}) ended the server before its requests"
        ))),
    }
}

/// The signals that ask a server to leave.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        // A file that may not grow is a full disk. This signal would end the process instead.
        let _ = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
        // A reload where there is nothing to read anew. On a terminal, it is the terminal's end.
        if !std::io::stderr().is_terminal() {
            let _ = signal(SignalKind::hangup())?;
        }
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Says what an operator has to know at a start.
fn announce(
    config: &Config,
    address: SocketAddr,
    admin: Option<&WithSecret>,
    show_key_here: bool,
) -> Result<(), CliError> {
    let data = std::path::absolute(&config.data)?;
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, data = %data.display(), %address, "statekeep runs");
    if config.tls.is_none() && !address.ip().is_loopback() {
        tracing::warn!(
            "PLAIN HTTP ON {address}: secrets and states cross the network unencrypted. Give \
                --tls-cert and --tls-key, or listen on 127.0.0.1 behind a proxy that speaks TLS"
        );
    }
    match admin {
        Some(admin) if show_key_here => show(admin),
        Some(admin) => tell_of_file(admin, &data),
        None => {}
    }
    Ok(())
}

fn warn_of_initial_key(data: &Path) {
    let path = data.join(data_dir::ADMIN_KEY_FILE);
    tracing::warn!(path = %path.display(), "the secret of the first admin key still lies in this \
        file, and with it anybody can do everything: store it safely and remove the file");
}

fn show(admin: &WithSecret) {
    let (id, secret) = (admin.key.id, admin.secret.reveal());
    output::message(&format!(
        "\nThe first start created an admin key (id {id}). Its secret is shown this \
            once:\n\n    {secret}\n"
    ));
}

fn tell_of_file(admin: &WithSecret, data: &Path) {
    let path = data.join(data_dir::ADMIN_KEY_FILE);
    tracing::warn!(path = %path.display(), key = %admin.key.id, "the first start created an admin \
        key, and its secret is in this file; store the secret safely and remove the file");
}
