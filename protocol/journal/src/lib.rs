//! leasehold-journal
