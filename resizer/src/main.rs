//! Environment → a running service, until SIGTERM or SIGINT. `resizer once` resizes one file instead.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context;
use resize_api::{Recipe, Settings, environment::SettingError};
use resizer::{
    command::once,
    guard::capacity::Capacity,
    http::{
        self,
        admin::{self, Readiness},
        server::{Grace, Server},
    },
    service::Service,
    store::{s3::S3, website::HttpWebsite},
    watch::{logs, metrics::Metrics, traces::Traces},
};
use tokio::signal::unix::{SignalKind, signal};

// under load it holds less than half of the memory that mimalloc does, at the same speed
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// `EX_USAGE`: a setting or an argument is wrong, and a restart will not help.
const BAD_USAGE: u8 = 64;

/// Threads that read headers and look up names, beside those of the workers. Each keeps some memory of its own.
const OTHER_THREADS: usize = 4;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.split_first() {
        None => serve(),
        Some((command, arguments)) if command == "once" => one_file(arguments),
        Some((command, _)) => {
            eprintln!("resizer: `{command}`: want no argument, to serve, or once INPUT WIDTHxHEIGHT OUTPUT");
            return BAD_USAGE.into();
        }
    };
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("resizer: {error:#}");
    if error.is::<SettingError>() { BAD_USAGE.into() } else { ExitCode::FAILURE }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn one_file(arguments: &[String]) -> anyhow::Result<()> {
    once::run(arguments, Recipe::from_env(variable)?).map_err(anyhow::Error::msg)
}

fn serve() -> anyhow::Result<()> {
    let settings = Settings::from_env(variable)?;
    logs::init(variable)?;
    let capacity = Capacity::detect(&settings);
    let threads = capacity.workers.saturating_add(OTHER_THREADS);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(threads).build()?;
    runtime.block_on(run(settings, capacity))
}

async fn run(settings: Settings, capacity: Capacity) -> anyhow::Result<()> {
    let metrics = Arc::new(Metrics::new());
    let store = S3::from_env(&settings, variable, Arc::clone(&metrics)).await?;
    let traces = Traces::from_env(variable)?.map(Arc::new);

    let signal = stop_signal().context("cannot listen for signals")?;
    let server = Server::bind(settings.listen, settings.admin_listen, &settings.bounds)?;
    let (listen, admin_listen) = server.addresses()?;
    let Capacity { memory, workers } = capacity;
    tracing::info!(%listen, %admin_listen, bucket = settings.bucket, url = %settings.url, memory, workers, "ready");

    let grace = Grace { drain: settings.drain, shutdown: settings.shutdown };
    let service = Service::new(settings, Arc::new(store), capacity, metrics).with_traces(traces.clone());
    let service = Arc::new(match HttpWebsite::new() {
        Ok(website) => service.with_website(Arc::new(website)),
        Err(error) => {
            tracing::warn!(%error, "no certificate authorities: what the public URL shows is not looked at");
            service
        }
    });
    let checking = Arc::clone(&service);
    tokio::spawn(async move { checking.check_itself().await });
    let readiness = Readiness::ready();
    let admin = admin::app(Arc::clone(&service), readiness.clone());
    server.run(http::app(service), admin, readiness, grace, signal).await;
    if let Some(traces) = traces {
        tokio::task::spawn_blocking(move || traces.shut_down()).await?;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Ends at the first SIGTERM or SIGINT; the second one ends the process at once.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut next = async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    Ok(async move {
        next().await;
        tokio::spawn(async move {
            next().await;
            std::process::exit(1);
        });
    })
}
