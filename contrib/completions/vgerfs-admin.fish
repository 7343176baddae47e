# Made by `vgerfs-admin completion fish`.
complete -c vgerfs-admin -f

complete -c vgerfs-admin -n '__fish_use_subcommand' -a init -d 'Make a repository'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a backup -d 'Back up files of this machine into a snapshot'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a list -d 'List snapshots'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a ls -d 'List files in a snapshot'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a find -d 'Show in which snapshots and versions files are'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a info -d 'Show sizes and facts of a repository or a snapshot'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a restore -d 'Restore files into a directory'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a diff -d 'Show what differs between snapshots, or from a directory'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a dump -d 'Write a file, or a directory as tar, to standard output'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a copy -d 'Copy snapshots into another repository'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a delete -d 'Delete snapshots'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a prune -d 'Remove the snapshots that no rule keeps'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a undelete -d 'Bring removed snapshots back'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a hold -d 'Keep snapshots from being removed'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a release -d 'Let held snapshots be removed again'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a tag -d 'Change the tags of snapshots'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a compact -d 'Give back the space of what no snapshot needs'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a check -d 'Check that everything is there and intact'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a rebuild-index -d 'Make lost index records anew from the packs'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a repair -d 'Save what is left of what is damaged, and let backups heal the rest'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a doctor -d 'Look at all that has to be right for backups, and advise'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a mount -d 'Mount a repository'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a umount -d 'Commit and unmount'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a commit -d 'Make snapshots of what was put into a mount'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a key -d 'The key slots of a repository'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a lock -d 'The locks of a repository'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a config -d 'The configuration file'
complete -c vgerfs-admin -n '__fish_use_subcommand' -a version -d 'Print the version'
complete -c vgerfs-admin -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -l version -d 'Display program version information and exit'
complete -c vgerfs-admin -l repository -s r -d 'Repository: path, URL, or label of the configuration' -x -a '(__fish_complete_directories)'
complete -c vgerfs-admin -l config -d 'Configuration file' -r -F
complete -c vgerfs-admin -l passphrase-file -d 'File that holds the passphrase' -r -F
complete -c vgerfs-admin -l passphrase-command -d 'Command that prints the passphrase' -x
complete -c vgerfs-admin -l passphrase-fd -d 'Open file descriptor to read the passphrase from' -x
complete -c vgerfs-admin -l key-file -d 'Key file, instead of a passphrase' -r -F
complete -c vgerfs-admin -l rest-token-file -d 'File that holds the token for the repository\'s server' -r -F
complete -c vgerfs-admin -l ca-file -d 'Certificates of the authorities that the server\'s is checked by' -r -F
complete -c vgerfs-admin -l limit-upload -d 'Bytes per second to a server, at most' -x
complete -c vgerfs-admin -l limit-download -d 'Bytes per second from a server, at most' -x
complete -c vgerfs-admin -l cache-dir -d 'Where the cache lies' -x -a '(__fish_complete_directories)'
complete -c vgerfs-admin -l state-dir -d 'Where the client\'s state lies' -x -a '(__fish_complete_directories)'
complete -c vgerfs-admin -l host -d 'Host name to use instead of this machine\'s' -x
complete -c vgerfs-admin -l json -d 'Print one JSON document, errors as JSON too'
complete -c vgerfs-admin -l quiet -s q -d 'Print only results, warnings and errors'
complete -c vgerfs-admin -l verbose -s v -d 'Print more; twice: even more'
complete -c vgerfs-admin -l accept-rollback -d 'Go on with a repository that shows less than was seen before'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from init' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from init' -l encryption -d 'auto, aes256gcm or chacha20poly1305' -x -a 'auto aes256gcm chacha20poly1305'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from init' -l new-key-file -d 'Make a key file and use it instead of a passphrase' -r -F
complete -c vgerfs-admin -n '__fish_seen_subcommand_from init' -l label -d 'Name of the first key slot' -x

complete -c vgerfs-admin -n '__fish_seen_subcommand_from backup' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from backup' -l source -s s -d 'Name of the source' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from backup' -l exclude -s e -d 'Leave out what matches, in gitignore syntax; may be repeated' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from backup' -l exclude-from -d 'File with a pattern per line; may be repeated' -r -F
complete -c vgerfs-admin -n '__fish_seen_subcommand_from backup' -l one-file-system -s x -d 'Stay on the file systems of the paths'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from backup' -l exclude-caches -d 'Leave out what is in directories with a CACHEDIR.TAG'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from backup' -l tag -s t -d 'Mark the snapshot; may be repeated' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from backup' -l stdin -d 'Back up standard input as one file'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from backup' -l stdin-name -d 'Name of that file' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from backup' -l compression -d 'zstd level, 1 to 19' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from backup' -l force-snapshot -d 'Make a snapshot even if nothing changed'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from backup' -l read-all -d 'Read every file, also those that look unchanged'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from backup' -l dry-run -s n -d 'Write nothing; say what would be'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from backup' -F

complete -c vgerfs-admin -n '__fish_seen_subcommand_from list; and not __fish_seen_subcommand_from key; and not __fish_seen_subcommand_from lock' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from list; and not __fish_seen_subcommand_from key; and not __fish_seen_subcommand_from lock' -l tag -s t -d 'Only those with this tag; may be repeated' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from list; and not __fish_seen_subcommand_from key; and not __fish_seen_subcommand_from lock' -l latest -d 'Only the newest of each host and source'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from list; and not __fish_seen_subcommand_from key; and not __fish_seen_subcommand_from lock' -l removed -d 'Those that were removed and can perhaps be brought back'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from ls' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from ls' -l recursive -s R -d 'Everything below, not only one directory'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from ls' -l long -s l -d 'Mode, owner, size and time of each'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from find' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from find' -l regex -d 'PATTERN is a regular expression for a part of the path'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from find' -l ignore-case -s i -d 'A and a are the same'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from find' -l snapshot -d 'Only in this snapshot; may be repeated' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from find' -l host -d 'Only snapshots of this host; may be repeated' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from find' -l source -s s -d 'Only snapshots of this source; may be repeated' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from find' -l tag -s t -d 'Only those with this tag; may be repeated' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from find' -l type -d 'f file, d directory, l symlink, p fifo, s socket, c or b device' -x -a 'f d l p s c b'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from find' -l larger -d 'Only files of more bytes (64K, 8G)' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from find' -l smaller -d 'Only files of fewer bytes' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from find' -l newer -d 'Modified at or after (2026-11-20, or 30d ago)' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from find' -l older -d 'Modified before' -x

complete -c vgerfs-admin -n '__fish_seen_subcommand_from info' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from info' -l exclusive -d 'What each snapshot, or this one, alone keeps in the repository'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from info' -l growth -d 'What was added in each month'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from restore' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from restore' -l include -s i -d 'Only what matches, in gitignore syntax; may be repeated' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from restore' -l exclude -s e -d 'Leave out what matches; may be repeated' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from restore' -l in-place -d 'The target may hold files: those that differ are replaced, others stay'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from restore' -l delete -d 'With --in-place: what the snapshot does not have is removed'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from restore' -l verify -d 'Read back what was written'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from restore' -l dry-run -s n -d 'Change nothing; say what would be'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from restore' -F

complete -c vgerfs-admin -n '__fish_seen_subcommand_from diff' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from diff' -l read-data -d 'Compare the content of a directory\'s files, not only their sizes'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from diff' -l exclude -s e -d 'Leave out what matches, of a directory; may be repeated' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from diff' -l one-file-system -s x -d 'Stay on the directory\'s file system'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from dump' -l help -s h -d 'Print this help message and exit'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from copy' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from copy' -l to -d 'The other repository: path, URL, or label' -x -a '(__fish_complete_directories)'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from copy' -l to-passphrase-file -d 'File that holds the other one\'s passphrase' -r -F
complete -c vgerfs-admin -n '__fish_seen_subcommand_from copy' -l to-passphrase-command -d 'Command that prints it' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from copy' -l to-key-file -d 'Key file of the other repository' -r -F
complete -c vgerfs-admin -n '__fish_seen_subcommand_from copy' -l host -d 'Only snapshots of this host; may be repeated' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from copy' -l source -s s -d 'Only snapshots of this source; may be repeated' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from copy' -l tag -s t -d 'Only those with this tag; may be repeated' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from copy' -l compression -d 'zstd level' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from copy' -l dry-run -s n -d 'Copy nothing; say what would be'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from delete' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from delete' -l dry-run -s n -d 'Only show what would be deleted'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from prune' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from prune' -l keep-last -d 'Keep the newest N' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from prune' -l keep-hourly -d 'Keep the newest of each of the last N hours that have one' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from prune' -l keep-daily -d 'The same for days' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from prune' -l keep-weekly -d 'The same for weeks' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from prune' -l keep-monthly -d 'The same for months' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from prune' -l keep-yearly -d 'The same for years' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from prune' -l keep-within -d 'Keep all that are at most so much older than the newest (30d, 1y6m, 48h)' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from prune' -l keep-tag -d 'Keep all with this tag; may be repeated' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from prune' -l host -d 'Only snapshots of this host; may be repeated' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from prune' -l source -s s -d 'Only snapshots of this source; may be repeated' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from prune' -l tag -s t -d 'Only those with this tag; may be repeated' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from prune' -l allow-empty -d 'Also remove the last snapshot of a host and source'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from prune' -l dry-run -s n -d 'Only show what would be kept, by which rule, and what would be removed'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from undelete' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from undelete' -l grace -d 'How long compact keeps what was removed (default: 24h)' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from undelete' -l list -d 'Show which ones can be brought back'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from hold' -l help -s h -d 'Print this help message and exit'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from release' -l help -s h -d 'Print this help message and exit'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from tag' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from tag' -l add -d 'Add a tag; may be repeated' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from tag' -l remove -d 'Take a tag away; may be repeated' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from tag' -l set -d 'These tags instead of all others; empty: none' -x

complete -c vgerfs-admin -n '__fish_seen_subcommand_from compact' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from compact' -l threshold -d 'Rewrite packs of which more than so much is dead, in percent (default: 10)' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from compact' -l max-repack -d 'Rewrite at most so much, the most wasteful packs first' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from compact' -l grace -d 'How long what is condemned or removed stays (default: 24h)' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from compact' -l now -d 'Without the grace time: when nothing else is at work on the repository'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from compact' -l reseal -d 'Decrypt, check and seal again all that moves, also where the store could move it'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from compact' -l dry-run -s n -d 'Only say what would be done'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from check; and not __fish_seen_subcommand_from config' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from check; and not __fish_seen_subcommand_from config' -l quick -d 'Only look at what is there: names, sizes, closure'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from check; and not __fish_seen_subcommand_from config' -l read-data -d 'Also read, decrypt and hash everything, or the share whose turn it is: 5%, 50G' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from check; and not __fish_seen_subcommand_from config' -l server-read -d 'First have the server read and hash all that it has, without sending it'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from check; and not __fish_seen_subcommand_from config' -l no-vouch -d 'Do not record which blocks of ingest keys were found good'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from rebuild-index' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from rebuild-index' -l dry-run -s n -d 'Only say what would be done; reads no pack'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from repair' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from repair' -l dry-run -s n -d 'Only say what is wrong and what would be done'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from repair' -l read-data -d 'Look for damage in all packs, not only where some is known'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from doctor' -l help -s h -d 'Print this help message and exit'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from mount' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from mount' -s o -d 'Mount options, see vgerfs(8); may be repeated' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from mount' -l foreground -s f -d 'Serve in the foreground, until a signal'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from mount' -a '(__fish_complete_directories)'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from umount' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from umount' -l lazy -s l -d 'Detach even if the commit fails or files are open'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from umount' -l force -s f -d 'Do not commit; for a store that does not answer'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from umount' -a '(__fish_complete_directories)'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from commit' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from commit' -a '(__fish_complete_directories)'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and not __fish_seen_subcommand_from list add passphrase remove revoke export import' -a list -d 'List the key slots'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and not __fish_seen_subcommand_from list add passphrase remove revoke export import' -a add -d 'Let another passphrase or key file in'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and not __fish_seen_subcommand_from list add passphrase remove revoke export import' -a passphrase -d 'Change the passphrase in use'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and not __fish_seen_subcommand_from list add passphrase remove revoke export import' -a remove -d 'Remove a key slot'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and not __fish_seen_subcommand_from list add passphrase remove revoke export import' -a revoke -d 'Have nothing count that an ingest key writes from now on'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and not __fish_seen_subcommand_from list add passphrase remove revoke export import' -a export -d 'Write a copy of the key in use into a file'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and not __fish_seen_subcommand_from list add passphrase remove revoke export import' -a import -d 'Put such a copy back'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from key' -l help -s h -d 'Print this help message and exit'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and __fish_seen_subcommand_from list' -l help -s h -d 'Print this help message and exit'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and __fish_seen_subcommand_from add' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and __fish_seen_subcommand_from add' -l role -d 'full: everything; ingest: add snapshots, read nothing' -x -a 'full ingest'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and __fish_seen_subcommand_from add' -l host -d 'Hosts that an ingest key may write for (default: this one)' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and __fish_seen_subcommand_from add' -l label -d 'Name of the key (default: its first host)' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and __fish_seen_subcommand_from add' -l new-passphrase-file -d 'File that holds the new passphrase' -r -F
complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and __fish_seen_subcommand_from add' -l new-passphrase-command -d 'Command that prints the new passphrase' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and __fish_seen_subcommand_from add' -l new-passphrase-fd -d 'Open file descriptor to read the new passphrase from' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and __fish_seen_subcommand_from add' -l new-key-file -d 'Make a key file instead of a passphrase' -r -F

complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and __fish_seen_subcommand_from passphrase' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and __fish_seen_subcommand_from passphrase' -l new-passphrase-file -d 'File that holds the new passphrase' -r -F
complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and __fish_seen_subcommand_from passphrase' -l new-passphrase-command -d 'Command that prints the new passphrase' -x
complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and __fish_seen_subcommand_from passphrase' -l new-passphrase-fd -d 'Open file descriptor to read the new passphrase from' -x

complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and __fish_seen_subcommand_from remove' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and __fish_seen_subcommand_from remove' -l force -d 'Also the key in use'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and __fish_seen_subcommand_from revoke' -l help -s h -d 'Print this help message and exit'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and __fish_seen_subcommand_from export' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and __fish_seen_subcommand_from export' -F

complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and __fish_seen_subcommand_from import' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from key; and __fish_seen_subcommand_from import' -F

complete -c vgerfs-admin -n '__fish_seen_subcommand_from lock; and not __fish_seen_subcommand_from list break' -a list -d 'List who is at work on a repository'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from lock; and not __fish_seen_subcommand_from list break' -a break -d 'Remove the lock of a process that died'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from lock' -l help -s h -d 'Print this help message and exit'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from lock; and __fish_seen_subcommand_from list' -l help -s h -d 'Print this help message and exit'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from lock; and __fish_seen_subcommand_from break' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from lock; and __fish_seen_subcommand_from break' -l expired -d 'All whose holders stopped refreshing them'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from lock; and __fish_seen_subcommand_from break' -l force -d 'Also one that is live'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from config; and not __fish_seen_subcommand_from example check' -a example -d 'Print a commented example'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from config; and not __fish_seen_subcommand_from example check' -a check -d 'Explain every problem of the configuration'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from config' -l help -s h -d 'Print this help message and exit'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from config; and __fish_seen_subcommand_from example' -l help -s h -d 'Print this help message and exit'

complete -c vgerfs-admin -n '__fish_seen_subcommand_from config; and __fish_seen_subcommand_from check' -l help -s h -d 'Print this help message and exit'
complete -c vgerfs-admin -n '__fish_seen_subcommand_from config; and __fish_seen_subcommand_from check' -F

complete -c vgerfs-admin -n '__fish_seen_subcommand_from version' -l help -s h -d 'Print this help message and exit'
