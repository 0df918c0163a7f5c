//! `statekeep tls self-signed`: an authority for a site that has none, and a certificate for its
//! server. An authority that is there is used again, and never overwritten: clients trust it.

use std::path::{Path, PathBuf};

use clap::Args;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::cli::client::trust::CA;
use crate::cli::output::{self, CliError, ShownPath as _};
use crate::cli::tls::authority::{Authority, Signed};
use crate::cli::tls::files::{self, TlsFolder};
use crate::cli::tls::names::ServerName;
use crate::config::Certificate;
use crate::model::secret::Secret;

/// Where the files lie unless said otherwise.
const DEFAULT_OUT: &str = "./statekeep-tls";
/// How long a certificate may be good: browsers take none that is good for longer.
const LONGEST: i64 = 397;

#[derive(Args)]
pub(in crate::cli) struct SelfSignedArgs {
    /// The host names and addresses by which clients reach the server; those of the certificate
    /// that is there if none is given
    #[arg(value_name = "NAME")]
    names: Vec<ServerName>,
    /// The folder with the authority and the certificate; made if it is missing
    #[arg(long, value_name = "DIR", default_value = DEFAULT_OUT)]
    out: PathBuf,
    /// How many days the certificate is good
    #[arg(
        long,
        value_name = "DAYS",
        default_value_t = 397,
        value_parser = clap::value_parser!(u32).range(1..=LONGEST)
    )]
    days: u32,
}

/// Runs it.
pub(super) fn run(args: &SelfSignedArgs) -> Result<(), CliError> {
    let names = names(args)?;
    let folder = TlsFolder::open(&args.out)?;
    let (authority, is_new) = authority(&folder, &names)?;
    for name in &names {
        if !authority.is_for(name)? {
            return Err(CliError::Failed(format!(
                "the authority in {} cannot sign for {name}: it is for the names that it was made \
                    for. Make one in another folder (--out), and have clients trust both",
                folder.authority().shown()
            )));
        }
    }
    let signed = authority.sign(&names, args.days)?;
    files::replace_key(&folder.server_key(), &signed.key)?;
    files::replace(&folder.server(), &signed.pem)?;
    tell(&folder, &names, &authority, (&signed, is_new))
}

/// The names that were given, or those of the certificate that is renewed.
fn names(args: &SelfSignedArgs) -> Result<Vec<ServerName>, CliError> {
    if !args.names.is_empty() {
        return Ok(args.names.clone());
    }
    let before = files::read(&args.out.join("server.pem"))?;
    let der = before.and_then(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).ok());
    let names = der.and_then(|der| Certificate::read(&der));
    let names = names
        .map(|certificate| certificate.names)
        .unwrap_or_default();
    let names: Vec<ServerName> = names.iter().filter_map(|name| name.parse().ok()).collect();
    if names.is_empty() {
        return Err(CliError::Usage(format!(
            "give the names by which clients reach the server; there is no certificate in {} whose \
                names could be used again",
            args.out.shown()
        )));
    }
    Ok(names)
}

/// The authority of the folder, and whether it was made now.
fn authority(folder: &TlsFolder, names: &[ServerName]) -> Result<(Authority, bool), CliError> {
    let (path, key_path) = (folder.authority(), folder.authority_key());
    match (files::read(&path)?, files::read(&key_path)?) {
        (Some(pem), Some(key)) => {
            let read = Authority::read(pem, &Secret::new(key));
            let read = read.map_err(|why| CliError::Failed(format!("{}: {why}", path.shown())))?;
            Ok((read, false))
        }
        (None, None) => {
            let (made, key) = Authority::make(names)?;
            files::create_key(&key_path, &key)?;
            files::create(&path, &made.pem)?;
            Ok((made, true))
        }
        (Some(_), None) => Err(half(&path, &key_path)),
        (None, Some(_)) => Err(half(&key_path, &path)),
    }
}

fn half(there: &Path, missing: &Path) -> CliError {
    CliError::Failed(format!(
        "{} is there and {} is not: put it back to renew the certificate, or make another \
            authority in another folder (--out)",
        there.shown(),
        missing.shown()
    ))
}

fn tell(
    folder: &TlsFolder,
    names: &[ServerName],
    authority: &Authority,
    (signed, is_new): (&Signed, bool),
) -> Result<(), CliError> {
    let word = |path: PathBuf| {
        let shown = path.shown();
        shlex::try_quote(&shown).map_or_else(|_| shown.clone(), Into::into)
    };
    let (ca, cert, key) = (
        word(folder.authority()),
        word(folder.server()),
        word(folder.server_key()),
    );
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let names = names.join(", ");
    let (made, authority_ends) = (if is_new { "made" } else { "kept" }, authority.ends);
    let told = format!(
        "authority    {ca} ({made}, until {authority_ends})\n\
         certificate  {cert} for {names}, until {}\n\
         key          {key}\n\n\
         Start the server with them; it takes a renewed certificate by itself:\n\
         \x20   statekeep serve --tls-cert {cert} --tls-key {key}\n\n\
         Clients trust the authority:\n\
         \x20   export {CA}=\"$(cat {ca})\"   # terraform, tofu\n\
         \x20   export STATEKEEP_CA_FILE={ca}   # statekeep\n\
         \x20   curl --cacert {ca} https://…\n\
         \x20   export SSL_CERT_FILE={ca}   # others; they trust nothing else then",
        signed.ends
    );
    told.lines().try_for_each(output::line)?;
    let secret = folder.authority_key();
    output::message(&format!(
        "statekeep: keep {} where the server cannot read it: who has it can sign certificates for \
            these names. It is needed to renew the certificate, by the same command",
        secret.shown()
    ));
    Ok(())
}
