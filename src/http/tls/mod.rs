//! TLS: the pair of certificate and key that new connections get, and its exchange while the server
//! runs.
//!
//! Connections that are open keep the pair that they began with. A pair that is no good never takes
//! the place of one that is.

mod files;
mod pair;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rustls::ServerConfig;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::TlsFiles;
use crate::domain::Domain;
use crate::domain::status::tls::ServedCertificate;
use crate::http::tls::files::Seen;
use crate::http::tls::pair::{Loaded, load};
use crate::model::clock::{self, Timestamp};

pub(in crate::http) use pair::HTTP_2;
pub use pair::{TlsError, shown_pair, warn_of_key_readers};

/// How often the files are looked at. A pair is read when it has not changed between two looks, so
/// that one of which only half is written does not fail.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often files that were no good are read again though they have not changed: a certificate's
/// time may have begun, or a folder may be there again.
const TRY_AGAIN_EVERY: Duration = Duration::from_mins(1);

/// What new connections speak TLS with.
pub struct Tls {
    files: TlsFiles,
    current: RwLock<Arc<ServerConfig>>,
    looked: Mutex<Looked>,
}

/// What is known of the files.
struct Looked {
    /// As they were when they were last read.
    read: Seen,
    /// As they were at the last look.
    last: Seen,
    /// When they were last read.
    at: Timestamp,
    /// Whether they were good then.
    were_good: bool,
}

impl Tls {
    /// Reads the files. The server does not start with a pair that is no good.
    pub fn open(files: TlsFiles) -> Result<(Arc<Self>, ServedCertificate), TlsError> {
        let seen = Seen::of(&files);
        let loaded = load(&files)?;
        let served = report(&files, &loaded);
        let looked = Looked {
            read: seen.clone(),
            last: seen,
            at: clock::now(),
            were_good: true,
        };
        let tls = Self {
            files,
            current: RwLock::new(loaded.config),
            looked: Mutex::new(looked),
        };
        Ok((Arc::new(tls), served))
    }

    /// What a new connection gets.
    pub(in crate::http) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read())
    }

    /// Exchanges the pair when its files change, and at each SIGHUP, which is caught from now on.
    /// Runs until it is dropped.
    pub fn keep_for(
        self: Arc<Self>,
        domain: &Arc<Domain>,
    ) -> io::Result<impl Future<Output = ()> + use<>> {
        let hangups = signal(SignalKind::hangup())?;
        Ok(self.keep(Arc::clone(domain), hangups))
    }

    async fn keep(self: Arc<Self>, domain: Arc<Domain>, mut hangups: Signal) {
        loop {
            let is_asked = tokio::select! {
                asked = hangups.recv() => asked.is_some(),
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            // A folder of another machine may not answer, which no request waits for.
            let (this, domain) = (Arc::clone(&self), Arc::clone(&domain));
            let looked = tokio::task::spawn_blocking(move || this.look(&domain, is_asked));
            if let Err(error) = looked.await {
                tracing::error!(%error, "the files of TLS were not looked at");
            }
        }
    }

    fn look(&self, domain: &Domain, is_asked: bool) {
        let seen = Seen::of(&self.files);
        let mut looked = self.looked.lock();
        let is_still = seen == looked.last;
        looked.last = seen.clone();
        let is_new = is_still && seen != looked.read;
        let waits = clock::now().since(looked.at) >= TRY_AGAIN_EVERY;
        let is_due = is_asked || is_new || (!looked.were_good && waits);
        if !is_due {
            return;
        }
        let was_good = looked.were_good;
        looked.read = seen;
        looked.at = clock::now();
        looked.were_good = self.exchange(domain, is_asked || is_new || was_good);
    }

    /// Whether the files were good. What is wrong with them is logged once.
    fn exchange(&self, domain: &Domain, is_told: bool) -> bool {
        match load(&self.files) {
            Ok(loaded) => {
                let served = report(&self.files, &loaded);
                tracing::info!(
                    names = served.names.join(" "),
                    expires = %served.ends,
                    "the certificate and its key were read anew, and new connections get them"
                );
                *self.current.write() = loaded.config;
                domain.status().serves_certificate(served);
                true
            }
            Err(error) => {
                if is_told {
                    tracing::error!(
                        %error,
                        "the certificate and its key were not exchanged; connections still get \
                            the one from before"
                    );
                }
                domain.status().certificate_not_exchanged(error.to_string());
                false
            }
        }
    }
}

fn report(files: &TlsFiles, loaded: &Loaded) -> ServedCertificate {
    ServedCertificate {
        names: loaded.certificate.names.clone(),
        ends: loaded.certificate.ends,
        loaded_at: clock::now(),
        client_certificates: files.client_certificates(),
        failure: None,
    }
}
