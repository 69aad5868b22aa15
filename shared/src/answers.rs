//! The answers that relay and agent make themselves are part of the product: programs match on their codes, and a public
//! table says what each of them means. Each side names its own with [`answers!`](crate::answers!), so that there is none
//! that its list does not have.

use http::StatusCode;

/// One row of the public table: a status, and the code in the `Gantz-Error` field and in the body.
pub type Row = (StatusCode, &'static str);

/// An enum of answers, each with its status and its code. `ALL` has every one of them, because both are written here.
///
/// ```
/// gantz_shared::answers! {
///     /// What this side says itself.
///     pub enum Code {
///         /// Nobody is there.
///         Offline = SERVICE_UNAVAILABLE "offline",
///     }
/// }
/// assert_eq!(Code::Offline.row(), (http::StatusCode::SERVICE_UNAVAILABLE, "offline"));
/// assert_eq!(Code::ALL.len(), 1);
/// ```
#[macro_export]
macro_rules! answers {
    ($(#[$about:meta])* $seen:vis enum $name:ident { $($(#[$means:meta])* $variant:ident = $status:ident $code:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $seen enum $name { $($(#[$means])* $variant),+ }

        impl $name {
            /// Every one of them.
            $seen const ALL: &[Self] = &[$(Self::$variant),+];

            /// Status and code.
            $seen const fn row(self) -> $crate::answers::Row {
                match self { $(Self::$variant => (::http::StatusCode::$status, $code)),+ }
            }
        }
    };
}
