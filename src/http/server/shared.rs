//! A stream whose socket the door can look at and close from another thread. There is one
//! descriptor for both, since the system allows each process so many.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::rt::net::{TcpStream, UnixStream};
use rustix::net::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket that is read and written through a shared reference.
pub(super) trait Socket: AsFd + Send + Sync + Unpin + 'static {
    /// Waits until something can be read.
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Waits until something can be written.
    fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Reads what is there.
    fn read_now(&self, bytes: &mut [u8]) -> io::Result<usize>;
    /// Writes as much as there is room for.
    fn write_now(&self, bytes: &[u8]) -> io::Result<usize>;
}

macro_rules! socket {
    ($stream:ty) => {
        impl Socket for $stream {
            fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_read_ready(context)
            }

            fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_write_ready(context)
            }

            fn read_now(&self, bytes: &mut [u8]) -> io::Result<usize> {
                self.try_read(bytes)
            }

            fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
                self.try_write(bytes)
            }
        }
    };
}

socket!(TcpStream);
socket!(UnixStream);

/// A stream over a socket that others may look at too.
pub(super) struct Shared(Arc<dyn Socket>);

impl Shared {
    pub(super) fn new(socket: Arc<impl Socket>) -> Self {
        Self(socket)
    }

    /// The socket, for those who look at it.
    pub(super) fn socket(&self) -> Arc<dyn Socket> {
        Arc::clone(&self.0)
    }
}

/// Closes a socket for both sides. Whoever reads it sees its end.
pub(super) fn hang_up(socket: &dyn Socket) {
    let _ = rustix::net::shutdown(socket, Shutdown::Both);
}

/// Does something as soon as the socket is ready for it.
fn when_ready<T>(
    mut ready: impl FnMut() -> Poll<io::Result<()>>,
    mut act: impl FnMut() -> io::Result<T>,
) -> Poll<io::Result<T>> {
    loop {
        ready!(ready())?;
        match act() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return Poll::Ready(done),
        }
    }
}

impl AsyncRead for Shared {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = &self.0;
        let rest = buffer.initialize_unfilled();
        let read = when_ready(|| socket.poll_readable(context), || socket.read_now(rest));
        buffer.advance(ready!(read)?);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Shared {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let socket = &self.0;
        when_ready(|| socket.poll_writable(context), || socket.write_now(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(rustix::net::shutdown(&self.0, Shutdown::Write).map_err(Into::into))
    }
}
