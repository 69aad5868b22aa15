//! nginx as a reference: one hop of HTTP in one thread, with kept connections to the local server. No token is checked
//! and nothing is encrypted.

use std::net::SocketAddr;
use std::path::Path;

use crate::client::Target;
use crate::ends::End;
use crate::process::{Announces, Process};
use crate::rows::Row;

/// nginx at `end`.
pub(crate) async fn start(program: &Path, end: &End, origin: SocketAddr, folder: &Path) -> Row {
    let public = end.free();
    let folder = folder.join("nginx");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("nginx.conf");
    std::fs::write(&file, config(public, origin)).unwrap();
    let mut command = end.command(program);
    command.arg("-p").arg(&folder).arg("-c").arg(&file).args(["-e", "stderr"]);
    let begins = |line: &str| line.contains("using the \"epoll\"").then_some(());
    let (relay, ()) = Process::start("nginx", &mut command, Announces::Stderr, begins).await;
    end.listens("nginx's port", public).await;
    Row { name: "nginx", target: Target::plain(public), relay: Some(relay), agent: None, idle: None }
}

/// Paths are relative to its folder, so that it needs nobody's rights. Nothing goes through files, no connection is
/// closed for its age, and events are not held back.
fn config(public: SocketAddr, origin: SocketAddr) -> String {
    format!(
        r#"daemon off;
# A single process: what would be its one worker.
master_process off;
pid nginx.pid;
error_log stderr notice;
events {{
    worker_connections 4096;
}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    scgi_temp_path scgi;
    uwsgi_temp_path uwsgi;
    client_max_body_size 0;
    keepalive_requests 1000000000;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_request_buffering off;
    proxy_max_temp_file_size 0;
    upstream origin {{
        server {origin};
        keepalive 256;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {public};
        location / {{
            proxy_pass http://origin;
        }}
        location /events/ {{
            proxy_buffering off;
            proxy_pass http://origin;
        }}
    }}
}}
"#
    )
}
