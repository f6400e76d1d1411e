//! Environment → a running service, until SIGTERM or SIGINT; or arguments → one command.

use std::{process::ExitCode, ptr::null_mut, sync::Arc, time::Duration};

use anyhow::Context;
use clap::Parser;
use resize_api::{Recipe, Settings, environment::SettingError, settings::GALLERY_PATH, sweep::SweepReport};
use resizer::{
    command::{follow, once, serve, sweep},
    guard::capacity::Capacity,
    http::{
        self,
        admin::{self, Readiness},
        gallery::Gallery,
        server::{Grace, Server},
    },
    lifecycle::follow::sqs::Queue,
    service::Service,
    store::{
        folder::FolderError,
        s3::{self, S3},
        website::HttpWebsite,
    },
    watch::{
        logs::{self, Output},
        metrics::Metrics,
        traces::Traces,
    },
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
    time::timeout,
};

// under load it holds less than half of the memory that mimalloc does, at the same speed; the codecs in C have it too
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What one picture gave back the next one takes, on whatever thread, without a fault for each page: one arena; large blocks kept in it
/// like others, until [`give_back`]; huge pages, where the kernel has some, and zeros written instead of pages exchanged. `MALLOC_CONF` in
/// the environment says otherwise.
#[expect(unsafe_code, reason = "nothing else has this name but jemalloc's own, which is weak")]
#[unsafe(export_name = "malloc_conf")]
pub static ALLOCATION: &[u8; 60] = b"narenas:1,oversize_threshold:0,thp:always,dirty_decay_ms:-1\0";

/// Memory that nobody uses goes back to the kernel, that of all arenas: 4096 names them all.
#[expect(unsafe_code, reason = "it is jemalloc's own call")]
fn give_back() {
    // SAFETY: the name ends with a zero, and what it names is done without a value, old or new.
    unsafe { tikv_jemalloc_sys::mallctl(c"arena.4096.purge".as_ptr(), null_mut(), null_mut(), null_mut(), 0) };
}

/// `EX_USAGE`: a setting or an argument is wrong, and a restart will not help.
const BAD_USAGE: u8 = 64;

/// How long connections and credentials may take, for which the first visitor would wait else. After it the pod is ready without.
const WARM_UP: Duration = Duration::from_secs(3);

/// Threads that read headers and look up names, beside those of the workers. Each keeps some memory of its own.
const OTHER_THREADS: usize = 4;

/// Makes a missing size of a picture in a bucket once, stores it beside the original, and redirects to it.
///
/// Without a command it serves a bucket, until SIGTERM or SIGINT. It reads its settings from the environment: BUCKET and URL at least.
#[derive(clap::Parser)]
#[command(version, max_term_width = 120, after_help = VARIABLES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

/// The settings, by what they are about; docs/resizer.md says what each means.
const VARIABLES: &str = "\
Settings, by environment variables (what each means: docs/resizer.md, \"Settings of the resizer\"):
  bucket     BUCKET, URL, S3_FORCE_PATH_STYLE, EXPECTED_BUCKET_OWNER, REQUESTER_PAYS; AWS_REGION, AWS_ENDPOINT_URL, … of the SDK
  originals  INCLUDE_PREFIXES, EXCLUDE_PREFIXES, SOURCE_UNSUPPORTED, MAX_SOURCE_BYTES, MAX_SOURCE_PIXELS
  sizes      ALLOWED_RESOLUTIONS, RECIPES, MAX_OUTPUT_PIXELS; RESIZE_FIT, RESIZE_POSITION, WITHOUT_ENLARGEMENT, BACKGROUND, KERNEL
  output     OUTPUT_FORMAT, OUTPUT_VARIANTS, OUTPUT_QUALITY, OUTPUT_PROGRESSIVE, EFFORT, AVIF_SPEED, ANIMATION, MAX_FRAMES
  stored     CACHE_CONTROL, OUTPUT_ACL, OUTPUT_ENCRYPTION, OUTPUT_KMS_KEY_ID, OUTPUT_STORAGE_CLASS
  delivery   DELIVERY_MODE, DELIVERY_ORIGINALS, DELIVERY_NEGOTIATE, DELIVERY_REVALIDATE, RESIZE_PATH
  process    LISTEN, ADMIN_LISTEN, GALLERY_PREFIX, WORKERS, MEMORY_BUDGET_BYTES, QUEUE_LENGTH, QUEUE_SECONDS, FETCHES, STORES, STREAMS, CONNECTIONS,
             FETCH_SECONDS, RESIZE_SECONDS, STORE_SECONDS, REQUEST_SECONDS, CLIENT_SECONDS, NEGATIVE_SECONDS, DRAIN_SECONDS, SHUTDOWN_SECONDS
  watching   LOG_FORMAT, LOG_LEVEL, RUST_LOG, OTEL_EXPORTER_OTLP_ENDPOINT, …";

#[derive(clap::Subcommand)]
enum Command {
    /// Serves the pictures of a local folder at every size, and a page that shows them: no cloud, no cluster.
    ///
    /// It reads the other settings of the service from the environment; `resizer --help` lists them.
    Serve(serve::Arguments),
    /// Resizes one file into another, without a bucket.
    Once(once::Arguments),
    /// Compares all derivatives of the bucket with their originals, and deletes what is no longer true.
    ///
    /// It reads the settings of the service from the environment. Exit status: 0, 1 if something failed or it was stopped,
    /// 3 if it refused to delete, 64 if a setting or an argument is wrong.
    Sweep(sweep::Arguments),
    /// Follows the events of the bucket, and deletes what is no longer true within seconds, until SIGTERM or SIGINT.
    ///
    /// It reads the settings of the service from the environment.
    Follow(follow::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::try_parse().map(|arguments| arguments.command) {
        Ok(None) => serve_bucket(),
        Ok(Some(Command::Serve(arguments))) => serve_folder(&arguments),
        Ok(Some(Command::Once(arguments))) => one_file(&arguments),
        Ok(Some(Command::Sweep(arguments))) => one_sweep(&arguments),
        Ok(Some(Command::Follow(arguments))) => follow_events(arguments),
        Err(error) => {
            drop(error.print());
            return if error.use_stderr() { BAD_USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let error = match result {
        Ok(status) => return status,
        Err(error) => error,
    };
    eprintln!("resizer: {error:#}");
    if error.is::<SettingError>() || error.is::<FolderError>() { BAD_USAGE.into() } else { ExitCode::FAILURE }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn one_file(arguments: &once::Arguments) -> anyhow::Result<ExitCode> {
    once::run(arguments, Recipe::from_env(variable)?).map_err(anyhow::Error::msg)?;
    Ok(ExitCode::SUCCESS)
}

fn one_sweep(arguments: &sweep::Arguments) -> anyhow::Result<ExitCode> {
    let swept = prepare_sweep(arguments);
    let report = swept.as_ref().map_or_else(|error| sweep::unbegun(&format!("{error:#}")), Clone::clone);
    if swept.is_ok() {
        println!("{}", sweep::present(&report));
    }
    if let Some(file) = &arguments.report {
        std::fs::write(file, sweep::json(&report)).with_context(|| format!("--report {}", file.display()))?;
    }
    swept?;
    Ok(sweep::status(report.outcome).into())
}

fn prepare_sweep(arguments: &sweep::Arguments) -> anyhow::Result<SweepReport> {
    let settings = Settings::from_env(variable)?;
    let order = arguments.order(&settings)?;
    logs::init(variable, Output::Stderr)?;
    let capacity = Capacity::detect(&settings);
    runtime(capacity)?.block_on(async {
        let metrics = Arc::new(Metrics::new());
        let store = Arc::new(S3::from_env(&settings, variable, Arc::clone(&metrics)).await?);
        let stop = stop_signal().context("cannot listen for signals")?;
        Ok(sweep::run(order, settings, store, capacity, metrics, stop).await)
    })
}

fn follow_events(arguments: follow::Arguments) -> anyhow::Result<ExitCode> {
    let settings = Settings::from_env(variable)?;
    arguments.check(&settings)?;
    logs::init(variable, Output::Stdout)?;
    let capacity = Capacity::detect(&settings);
    runtime(capacity)?.block_on(async {
        let metrics = Arc::new(Metrics::new());
        let shared = s3::shared_config(variable).await?;
        let store = Arc::new(S3::new(&shared, &settings, Arc::clone(&metrics)));
        let queue = arguments.queue_url.as_deref().map(|url| Queue::new(&shared, url));
        let stop = stop_signal().context("cannot listen for signals")?;
        follow::run(arguments, settings, store, queue, capacity, metrics, stop).await?;
        anyhow::Ok(())
    })?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

fn serve_folder(arguments: &serve::Arguments) -> anyhow::Result<ExitCode> {
    let settings = arguments.settings(variable)?;
    let folder = arguments.open(&settings)?;
    logs::init(|name| arguments.variable(variable, name), Output::Stderr)?;
    let capacity = Capacity::detect(&settings);
    runtime(capacity)?.block_on(async {
        let stop = stop_signal().context("cannot listen for signals")?;
        serve::run(settings, folder, capacity, stop).await
    })?;
    Ok(ExitCode::SUCCESS)
}

fn serve_bucket() -> anyhow::Result<ExitCode> {
    let settings = Settings::from_env(variable)?;
    logs::init(variable, Output::Stdout)?;
    let capacity = Capacity::detect(&settings);
    runtime(capacity)?.block_on(run(settings, capacity))?;
    Ok(ExitCode::SUCCESS)
}

fn runtime(capacity: Capacity) -> std::io::Result<tokio::runtime::Runtime> {
    let threads = capacity.workers.saturating_add(OTHER_THREADS);
    // a thread that makes pictures stops when it had none for some seconds
    tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(threads).on_thread_stop(give_back).build()
}

async fn run(settings: Settings, capacity: Capacity) -> anyhow::Result<()> {
    let metrics = Arc::new(Metrics::new());
    let store = Arc::new(S3::from_env(&settings, variable, Arc::clone(&metrics)).await?);
    let gallery = settings.gallery_prefix.as_ref().map(|prefix| Gallery::of_bucket(settings.clone(), store.clone(), prefix));
    let traces = Traces::from_env(variable)?.map(Arc::new);

    let signal = stop_signal().context("cannot listen for signals")?;
    let server = Server::bind(settings.listen, &settings.bounds)?;
    let admin_server = Server::bind(settings.admin_listen, &settings.bounds)?;
    let (listen, admin_listen) = (server.address()?, admin_server.address()?);
    let (bucket, url) = (settings.bucket.clone(), settings.url.to_string());

    let grace = Grace { drain: settings.drain, shutdown: settings.shutdown };
    let service = Service::new(settings, store, capacity, metrics).with_traces(traces.clone());
    let service = Arc::new(match HttpWebsite::new() {
        Ok(website) => service.with_website(Arc::new(website)),
        Err(error) => {
            tracing::warn!(%error, "no certificate authorities: what the public URL shows is not looked at");
            service
        }
    });
    let checking = Arc::clone(&service);
    let (looked, warm) = oneshot::channel();
    tokio::spawn(async move { checking.check_itself(looked).await });
    drop(timeout(WARM_UP, warm).await);
    let Capacity { memory, workers } = capacity;
    tracing::info!(%listen, %admin_listen, bucket, url, memory, workers, "ready");
    let readiness = Readiness::ready();
    let gallery = gallery.map(|gallery| gallery.route(GALLERY_PATH)).unwrap_or_default();
    let admin = tokio::spawn(admin_server.serve(admin::app(Arc::clone(&service), readiness.clone()).merge(gallery)));
    server.serve_until(signal, http::app(Arc::clone(&service)), readiness, grace, service.until_kept()).await;
    admin.abort();
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
