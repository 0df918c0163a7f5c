//! What sends deliveries for the domain, which knows no HTTP.

use std::pin::Pin;

/// One try of a delivery.
#[derive(Clone, Copy)]
pub struct HookPost<'p> {
    /// Where it goes.
    pub url: &'p str,
    /// Whether the host may have a private address.
    pub may_be_private: bool,
    /// The headers beside the usual ones.
    pub headers: &'p [(&'static str, String)],
    /// The body, which is JSON.
    pub body: &'p str,
}

/// Sends deliveries. The part of the program that has an HTTP client gives it.
pub trait SendHook: Send + Sync {
    /// Whether a hook may have this address, and how it is spelt then. `private` is the host that
    /// may have a private address.
    ///
    /// # Errors
    ///
    /// Why not, and what to do.
    fn judge<'a>(&'a self, url: &'a str, private: Option<&'a str>) -> Judging<'a>;

    /// Sends one, and gives the status of the answer.
    ///
    /// # Errors
    ///
    /// Why there was no answer, in words for people, without the address.
    fn post<'a>(&'a self, post: HookPost<'a>) -> Posting<'a>;
}

/// An address that is being judged.
pub type Judging<'a> = Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>>;

/// A delivery on its way.
pub type Posting<'a> = Pin<Box<dyn Future<Output = Result<u16, String>> + Send + 'a>>;
