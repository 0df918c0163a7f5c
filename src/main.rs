//! The program: hands its arguments to the command line and leaves with its exit code.

/// Gives memory that is free back to the system, by threads of its own.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    statekeep::cli::main()
}
