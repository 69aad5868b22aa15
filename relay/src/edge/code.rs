//! What the edge says itself, as programs match on it.

use gantz_shared::answers;

answers! {
    /// The edge's rows of the public table.
    pub(crate) enum Code {
        /// No tunnel of this name.
        TunnelNotFound = NOT_FOUND "tunnel_not_found",
        /// The agent is away.
        AgentOffline = SERVICE_UNAVAILABLE "agent_offline",
        /// The local server takes no connections.
        UpstreamUnavailable = SERVICE_UNAVAILABLE "upstream_unavailable",
        /// The local server did not begin to answer.
        UpstreamTimeout = GATEWAY_TIMEOUT "upstream_timeout",
        /// The local server's answer is no HTTP.
        UpstreamInvalid = BAD_GATEWAY "upstream_invalid",
        /// The tunnel broke.
        TunnelLost = BAD_GATEWAY "tunnel_lost",
        /// The tunnel has no room.
        TunnelBusy = SERVICE_UNAVAILABLE "tunnel_busy",
        /// No token was shown.
        MissingToken = UNAUTHORIZED "missing_token",
        /// It is none of the tunnel's.
        InvalidToken = UNAUTHORIZED "invalid_token",
        /// It was one.
        ExpiredToken = UNAUTHORIZED "expired_token",
        /// A web page of another origin.
        OriginNotAllowed = FORBIDDEN "origin_not_allowed",
        /// A host that is not this relay's.
        Misdirected = MISDIRECTED_REQUEST "misdirected_request",
        /// No HTTP.
        BadRequest = BAD_REQUEST "bad_request",
        /// Over a limit of the head.
        HeadTooLarge = REQUEST_HEADER_FIELDS_TOO_LARGE "head_too_large",
        /// Over the limit of the body.
        BodyTooLarge = PAYLOAD_TOO_LARGE "body_too_large",
        /// The head did not come to its end.
        RequestTimeout = REQUEST_TIMEOUT "request_timeout",
        /// Over a rate.
        RateLimited = TOO_MANY_REQUESTS "rate_limited",
        /// `CONNECT`.
        ConnectRefused = METHOD_NOT_ALLOWED "connect_refused",
        /// There is none.
        NoAuthorizationServer = NOT_FOUND "no_authorization_server",
        /// It came in clear.
        HttpsRequired = FORBIDDEN "https_required",
        /// The relay's own pages: there is no such one.
        NotFound = NOT_FOUND "not_found",
        /// And they are only read.
        MethodNotAllowed = METHOD_NOT_ALLOWED "method_not_allowed",
    }
}
