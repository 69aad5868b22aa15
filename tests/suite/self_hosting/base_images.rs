//! The Dockerfile's two base images. Where they cannot be pulled there are stand-ins, made of Debian's packages as the
//! real ones are, and the build stage's toolchain is this machine's.

use std::path::Path;

use gantz_tests::binaries;

use crate::engine::Engine;

/// Unpacks what `gcr.io/distroless/cc-debian12` is made of into `$ROOT`: no shell, no package manager.
const RUNTIME: &str = r#"
    mkdir -p "$ROOT"/tmp "$ROOT"/etc/ssl/certs "$WORK"
    chmod 1777 "$ROOT"/tmp
    cd "$WORK"
    apt-get update -qq
    apt-get download -qq -o APT::Sandbox::User=root base-files netbase media-types tzdata \
        libc6 libgcc-s1 libstdc++6 libgomp1 libssl3
    for package in *.deb; do dpkg-deb --extract "$package" "$ROOT"; done
    cp --dereference /etc/ssl/certs/ca-certificates.crt "$ROOT"/etc/ssl/certs/
    printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' > "$ROOT"/etc/passwd
"#;

/// Makes what there is of `rust:1.95-bookworm` that the build needs: Debian with a C compiler, and Rust.
const BUILD: &str = r#"
    . /etc/os-release
    debootstrap --variant=minbase --include=gcc,libc6-dev,ca-certificates "$VERSION_CODENAME" "$ROOT"
    rm -rf "$ROOT"/var/cache/apt/archives/*.deb "$ROOT"/var/lib/apt/lists/* "$ROOT"/usr/share/doc
    cp --dereference /etc/ssl/certs/ca-certificates.crt "$ROOT"/etc/ssl/certs/
    sysroot=$(rustc --print sysroot)
    mkdir -p "$ROOT"/usr/local/bin "$ROOT"/usr/local/lib
    cp "$sysroot"/bin/cargo "$sysroot"/bin/rustc "$ROOT"/usr/local/bin/
    cp --archive "$sysroot"/lib/. "$ROOT"/usr/local/lib/
"#;

/// Has both of them in the engine.
pub(crate) async fn provide(engine: &Engine, folder: &Path) {
    let dockerfile = std::fs::read_to_string(binaries::root().join("relay/Dockerfile")).unwrap();
    for (argument, script) in [("BUILD_IMAGE", BUILD), ("RUNTIME_IMAGE", RUNTIME)] {
        let image = dockerfile.lines().find_map(|line| line.strip_prefix(&format!("ARG {argument}=")));
        let image = image.unwrap_or_else(|| panic!("the Dockerfile has no {argument}"));
        if engine.tries(&format!("docker image inspect {image} || docker pull --quiet {image}")).await {
            continue;
        }
        let (root, work) = (folder.join(argument), folder.join("work"));
        for folder in [&root, &work] {
            if folder.exists() {
                std::fs::remove_dir_all(folder).unwrap();
            }
        }
        let variables = format!("ROOT='{}'\nWORK='{}'\n", root.display(), work.display());
        let import = format!("tar --create --numeric-owner --directory \"$ROOT\" . | docker import - {image}\n");
        engine.runs(&format!("{variables}{script}\n{import}\nrm -rf \"$ROOT\" \"$WORK\"")).await;
    }
}

/// Both can be others: what is built with `--build-arg` is built from those.
pub(crate) async fn are_arguments(engine: &Engine, checkout: &Path) {
    let dockerfile = std::fs::read_to_string(binaries::root().join("relay/Dockerfile")).unwrap();
    let default = |argument: &str| {
        let mut lines = dockerfile.lines();
        lines.find_map(|line| line.strip_prefix(&format!("ARG {argument}="))).unwrap().to_owned()
    };
    let compose = std::fs::read_to_string(binaries::root().join("docker-compose.yml")).unwrap();
    for argument in ["BUILD_IMAGE", "RUNTIME_IMAGE"] {
        let line = format!("{argument}: ${{{argument}:-{}}}\n", default(argument));
        assert!(compose.contains(&line), "{line}");
    }
    // The same image for the build, so that its layers serve again; another one to run in.
    engine.runs(&format!("docker tag {} gantz-test/build", default("BUILD_IMAGE"))).await;
    let other =
        format!("printf 'FROM {}\\nLABEL of=another\\n' | docker build -t gantz-test/run -", default("RUNTIME_IMAGE"));
    engine.runs(&other).await;
    let build = "BUILD_IMAGE=gantz-test/build RUNTIME_IMAGE=gantz-test/run docker compose build";
    engine.says(checkout, build).await;
    let label = engine.runs("docker image inspect --format '{{.Config.Labels.of}}' gantz-relay").await;
    assert_eq!(label.trim(), "another");
    let none = build.replace("BUILD_IMAGE=gantz-test/build", "BUILD_IMAGE=gantz-test/none");
    assert!(!engine.types(checkout, &none).await.status.success(), "the other argument counts, too");
    engine.tries("docker image rm --force gantz-relay gantz-test/build gantz-test/run").await;
}
