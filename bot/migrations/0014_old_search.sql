{drop_old_search};
