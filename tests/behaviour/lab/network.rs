//! The network as one pod has it.

use std::process::{Command, Stdio};

/// What comes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// Somebody listens.
    Open,
    /// It came through, and nobody listens.
    Refused,
    /// It was not let through: nothing came back.
    Dropped,
}

/// A pod's.
pub struct Network {
    namespace: String,
    /// The pod's address.
    pub address: String,
}

impl Network {
    /// That of the pod with this address, which runs.
    pub fn of(address: &str) -> Self {
        let has_it = |name: &String| {
            let said = Command::new("ip").args(["-n", name, "-o", "-4", "address"]).output().unwrap().stdout;
            String::from_utf8(said).unwrap().contains(&format!(" {address}/"))
        };
        let names = std::fs::read_dir("/run/netns").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let name = names.into_iter().find(has_it).unwrap_or_else(|| panic!("no pod has {address}"));
        Self { namespace: format!("--net=/run/netns/{name}"), address: address.to_owned() }
    }

    /// Opens a connection from there.
    pub async fn reach(&self, host: &str, port: u16) -> Reached {
        match self.bash(&format!("exec 3<> /dev/tcp/{host}/{port}")).await {
            Some(0) => Reached::Open,
            Some(124) => Reached::Dropped,
            _ => Reached::Refused,
        }
    }

    /// Whether a DNS server answers a question by UDP.
    pub async fn asks_dns(&self, server: &str) -> bool {
        // id 1, one question: NS of the root
        let question = r"\0\1\1\0\0\1\0\0\0\0\0\0\0\0\2\0\1";
        let script = format!("exec 3<> /dev/udp/{server}/53 && printf '{question}' >&3 && head -c 1 <&3 > /dev/null");
        self.bash(&script).await == Some(0)
    }

    /// The script's status; 124 where it takes too long.
    async fn bash(&self, script: &str) -> Option<i32> {
        let mut command = Command::new("nsenter");
        command.args([&self.namespace, "timeout", "3", "bash", "-c", script]).stdin(Stdio::null()).stderr(Stdio::null());
        // not on this thread, on which the test's other futures run
        tokio::task::spawn_blocking(move || command.status()).await.unwrap().unwrap().code()
    }
}
