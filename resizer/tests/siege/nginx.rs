//! A real nginx with a cache, before the resizer or before the bucket's website.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use crate::lab::{s3, until};

/// A running nginx; it is killed when this is dropped, and its cache goes.
pub struct Nginx {
    child: Child,
    folder: PathBuf,
    pub url: String,
}

impl Nginx {
    /// Whether `tests/nginx/install` was run.
    pub fn program() -> Option<PathBuf> {
        let program = s3::state().parent()?.parent()?.join("tools/bin/nginx");
        if !program.exists() {
            assert!(!std::env::var("RESIZE_CLUSTER").is_ok_and(|value| value == "required"), "no {}", program.display());
            eprintln!("skipped: no {}; tests/nginx/install gets it", program.display());
            return None;
        }
        Some(program)
    }

    /// Starts `program` on `port`, a reserved one, with a cache of what `origin`, a host and port, answers to requests of `host`.
    pub async fn start(program: &PathBuf, port: u16, origin: &str, host: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("resize-nginx-{port}"));
        std::fs::create_dir_all(&folder).unwrap();
        let at = folder.display();
        let temporary: Vec<_> = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|of| format!("{of}_temp_path {at}/{of};")).into();
        let config = format!(
            "user root; worker_processes 1; daemon off; error_log stderr crit; pid {at}/pid;
            events {{ worker_connections 256; }}
            http {{
              access_log off; {}
              proxy_cache_path {at}/cache keys_zone=pictures:1m;
              server {{
                listen 127.0.0.1:{port};
                location / {{
                  proxy_pass http://{origin}; proxy_http_version 1.1; proxy_set_header Host {host};
                  proxy_cache pictures; proxy_cache_revalidate on; proxy_cache_lock on;
                  add_header X-Cache-Status $upstream_cache_status always;
                }}
              }}
            }}",
            temporary.join(" ")
        );
        std::fs::write(folder.join("nginx.conf"), config).unwrap();
        let mut command = Command::new(program);
        command.args(["-e", "stderr", "-p"]).arg(&folder).arg("-c").arg(folder.join("nginx.conf"));
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        let nginx = Self { child, folder, url: format!("http://127.0.0.1:{port}") };
        until("nginx", async || tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok()).await;
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // its workers end with it on SIGTERM, not on SIGKILL
        drop(Command::new("kill").arg(self.child.id().to_string()).status());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}
