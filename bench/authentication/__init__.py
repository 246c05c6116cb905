"""What authentication costs: by step beside dkimpy and pyspf, on the whole path beside rspamd."""
