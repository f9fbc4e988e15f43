//! leasehold-client-core
