use super::*;
use crate::settings::directory;

fn pem(names: &[&str]) -> Pem {
    let key = rcgen::KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    Pem::new(&key.serialize_pem(), &certificate.pem())
}

fn store(folder: &Path, directory: &str) -> Store {
    let settings = Settings { directory: directory.into(), ..Settings::new("relay.example", folder.to_owned()) };
    Store::open(&settings).unwrap()
}

#[tokio::test]
async fn a_certificate_and_its_key_are_kept_for_their_owner_only_and_apart_for_each_directory() {
    let folder = tempfile::tempdir().unwrap();
    let real = store(folder.path(), directory::LETS_ENCRYPT);
    assert!(matches!(real.certificate().unwrap(), Kept::Nothing));
    real.keep_certificate(&pem(&["relay.example", "*.relay.example"])).await.unwrap();
    real.has_room().await.unwrap();
    assert!(matches!(real.certificate().unwrap(), Kept::Good(_)));
    assert!(matches!(store(folder.path(), directory::LETS_ENCRYPT_STAGING).certificate().unwrap(), Kept::Nothing));

    let path = folder.path().join("acme-v02.api.letsencrypt.org-directory/relay.example.pem");
    #[cfg(unix)]
    for (path, mode) in [(path.as_path(), 0o600), (path.parent().unwrap(), 0o700)] {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
    }
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing else is left");
}

#[tokio::test]
async fn what_is_damaged_or_for_other_names_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), directory::LETS_ENCRYPT);
    for bad in [pem(&["relay.example"]), pem(&["*.relay.example", "other.example"]), Pem::new("", "no certificate")] {
        store.keep_certificate(&bad).await.unwrap();
        let kept = store.certificate().unwrap();
        assert!(matches!(&kept, Kept::SetAside(aside, _) if aside.exists()), "{kept:?}");
        assert!(matches!(store.certificate().unwrap(), Kept::Nothing));
    }
    let (one, other) = (pem(&["relay.example", "*.relay.example"]), pem(&["relay.example", "*.relay.example"]));
    let chain = one.0.split("-----BEGIN CERT").nth(1).unwrap();
    let key = other.0.split("-----BEGIN CERT").next().unwrap();
    store.keep_certificate(&Pem::new(key, &format!("-----BEGIN CERT{chain}"))).await.unwrap();
    assert!(matches!(store.certificate().unwrap(), Kept::SetAside(_, why) if why.contains("key")));

    write(&store.account_path(), b"{\"id\":\"x\",\n\"key_pkcs8\":\"a secret\"}").unwrap();
    let kept = store.account().unwrap();
    let Kept::SetAside(_, why) = kept else { panic!("a damaged account is taken") };
    assert!(!why.contains("secret"), "{why}");
}

#[test]
fn a_directory_has_a_folder_of_its_own() {
    assert_eq!(folder_of("https://127.0.0.1:14000/dir"), "127.0.0.1-14000-dir");
    assert_eq!(folder_of("https://../../etc"), "etc");
    assert_eq!(folder_of("https://"), "directory");
}
